#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A daemon that speaks skinkd's protocol (protocols/skinkd.md) and has no domains but made-up ones.

The tests of skink(1) start one in their own process, script it, and look at what it was asked. By hand:
    fake_skinkd.py SOCKET
"""
import json
import os
import pty
import socket
import sys
import threading
import tty

WEB_UUID = "6f0c6f4e-6a3b-4ed1-9a51-0d0a3a5f9c01"


def domain(name, number, **more):
    facts = {"name": name, "id": number, "uuid": WEB_UUID[:-2] + f"{number:02x}", "state": "running", "reason": None,
             "vcpus": 1, "vcpus_max": 2, "memory_kib": 131072, "memory_max_kib": 262144, "memory_target_kib": 131072,
             "cpu_seconds": 1.25, "started": 1767225600, "managed": number != 0, "autostart": False,
             "role": "guest" if number else "control", "title": None, "restarts": 0}
    return {**facts, **more}


class Error(Exception):
    """An error object, as the daemon answers it."""

    def __init__(self, code, message, data=None):
        super().__init__(message)
        self.object = {"code": code, "message": message, **({"data": data} if data else {})}


class FakeSkinkd:
    """Answers in threads. `answers` has, by method, a value or a function of (params, connection)."""

    def __init__(self, path):
        self.path = path
        self.requests = []
        self.connections = 0
        self.domains = [domain("Domain-0", 0, vcpus=2, cpu_seconds=12.5), domain("web", 3),
                        domain("db", 5, state="crashed", reason="watchdog", restarts=2)]
        self.answers = {}
        self.samples = 0
        self.slaves = []
        self.master = None
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(path)
        self.listener.listen(16)
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self):
        self.listener.close()
        for fd in [self.master, *self.slaves]:
            if fd is not None:
                os.close(fd)
        os.unlink(self.path)

    def asked(self, method=None):
        """The parameters of all requests, or of those for one method."""
        return [request["params"] for request in self.requests if method in (None, request["method"])]

    def _accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._serve, args=(Connection(connection),), daemon=True).start()

    def _serve(self, connection):
        try:
            for line in connection.file:
                request = json.loads(line)
                self.requests.append(request)
                self._answer(connection, request)
        except OSError:
            pass

    def _answer(self, connection, request):
        connection.id = request["id"]
        unknown = Error(2, f"there is no method '{request['method']}'")
        answer = self.answers.get(request["method"], getattr(self, "do_" + request["method"].replace("-", "_"), unknown))
        try:
            if answer is unknown:
                raise unknown
            result = answer(request["params"], connection) if callable(answer) else answer
        except Error as error:
            connection.send({"jsonrpc": "2.0", "id": request["id"], "error": error.object})
            return
        if result is not connection:
            connection.send({"jsonrpc": "2.0", "id": request["id"], "result": result})

    def find(self, params):
        for facts in self.domains:
            if str(params["domain"]) in (facts["name"], str(facts["id"]), facts["uuid"]):
                return facts
        raise Error(3, f"there is no domain '{params['domain']}'", ["known: Domain-0, web, db"])

    # What a daemon with these three domains says.

    def do_list(self, params, connection):
        return {"domains": self.domains}

    def do_info(self, params, connection):
        if "domain" not in params:
            return {"version": "skinkd 1", "xen_version": "4.17.0-skink", "cpus": 2, "memory_kib": 4194304,
                    "memory_free_kib": 3145728, "domains": 3, "uptime_seconds": 61, "socket_group": "skink",
                    "scheduler": "bvt", "shutdown_timeout_s": 45}
        facts = self.find(params)
        return {"domain": dict(facts, on_poweroff="destroy", on_reboot="restart", on_crash="preserve",
                               manifest="/etc/skink/domains/web.xml", kernel="/boot/vmlinuz", initrd=None,
                               cmdline="root=/dev/xvda1", console="/dev/pts/3",
                               sched=self.do_sched(params, connection), vcpu_list=[],
                               used={"hypercalls": 1200, "events": 30, "grant_maps": 0, "grant_copies": 0,
                                     "page_table_updates": 7},
                               limit={"hypercalls": 5000, "events": 0, "grant_maps": 0, "grant_copies": 0,
                                      "page_table_updates": 0})}

    def do_create(self, params, connection):
        if "<domain" not in params["xml"]:
            raise Error(2, f"{params['file']} is no good manifest",
                        [f"{params['file']}:1:1: <x>: it is not a <domain>: write one"])
        self.domains.append(domain("new", 7, state="paused" if params["paused"] else "running"))
        connection.progress("unpacking /boot/vmlinuz")
        return {"domain": self.domains[-1], "warnings": ["new.xml:2:1: <sound>: warning: there is none: leave it out"]}

    def do_destroy(self, params, connection):
        facts = self.find(params)
        if facts["id"] == 0:
            raise Error(4, "Domain-0 is never destroyed: shut the host down with 'poweroff'")
        self.domains.remove(facts)
        return {"domain": facts}

    def do_shutdown(self, params, connection):
        self.find(params)
        return {"state": "gone" if params.get("wait", True) else "asked"}

    def do_reboot(self, params, connection):
        facts = self.find(params)
        if not params.get("wait", True):
            return {"domain": None}
        facts["id"] += 10
        return {"domain": facts}

    def do_pause(self, params, connection):
        self.find(params)["state"] = "paused"
        return {"domain": self.find(params)}

    def do_unpause(self, params, connection):
        self.find(params)["state"] = "running"
        return {"domain": self.find(params)}

    def do_restart(self, params, connection):
        facts = self.find(params)
        if facts["role"] == "guest":
            raise Error(4, f"'{facts['name']}' is no driver domain: 'skink reboot {facts['name']}' asks a guest to begin again")
        answer = {"domain": facts, "restart": {"state": "serving", "restarts": 3, "last": {"cause": "by-hand", "recovered_us": 87}}}
        return answer | ({"core_file": f"/var/lib/skink/cores/{facts['name']}.core"} if params.get("dump_core") else {})

    def do_upgrade(self, params, connection):
        return {"domain": self.find(params), "restart": {"state": "serving", "image": params["image"], "last": {"recovered_us": 5550}}}

    def do_release(self, params, connection):
        return {"domain": self.find(params), "restart": {"state": "serving", "last": {"cause": "crash", "recovered_us": 0}}}

    def do_wait(self, params, connection):
        self.find(params)
        return {"state": params["for"]}

    def do_sysrq(self, params, connection):
        self.find(params)
        return {}

    def do_dump_core(self, params, connection):
        facts = self.find(params)
        return {"file": params.get("file", f"/var/lib/skink/cores/{facts['name']}.core"), "bytes": 134217728}

    def do_autostart(self, params, connection):
        return {"autostart": params["enable"]}

    def do_version(self, params, connection):
        return {"skinkd": "skinkd 1", "core": "4.17.0-skink", "protocol": 1}

    def do_dmesg(self, params, connection):
        return {"text": "Skink, on GRUB\nCPU: 2\n"}

    def do_logs(self, params, connection):
        self.find(params)
        return {"text": "".join(f"line {i}\n" for i in range(params.get("lines", 100))), "file": "/var/log/skink/web"}

    def do_dumpxml(self, params, connection):
        return {"xml": f"<domain type='skink'><name>{self.find(params)['name']}</name></domain>\n"}

    def do_events(self, params, connection):
        past = [{"time": 1767225600.25, "kind": "created", "domain": "web", "id": 3, "text": "created from web.xml"},
                {"time": 1767225601.5, "kind": "started", "domain": None, "id": None, "text": "skinkd started"}]
        return {"events": past[len(past) - params["count"]:] if "count" in params else past}

    def do_top(self, params, connection):
        """Each sample is one second and half a CPU of web after the one before."""
        self.samples += 1
        domains = [{"name": facts["name"], "id": facts["id"], "state": facts["state"], "vcpus": facts["vcpus"],
                    "memory_kib": facts["memory_kib"], "memory_max_kib": facts["memory_max_kib"],
                    "cpu_ns": self.samples * (500000000 if facts["name"] == "web" else 10000000),
                    "used": {"hypercalls": self.samples * 12000, "events": self.samples * 30, "grant_maps": 0,
                             "grant_copies": 0, "page_table_updates": 0},
                    "limit": {}, "net": None, "disk": None} for facts in self.domains]
        return {"time_ns": self.samples * 1000000000, "cpus": 2, "memory_kib": 4194304, "memory_free_kib": 3145728,
                "domains": domains}

    def do_vcpu_list(self, params, connection):
        chosen = [self.find(params)] if "domain" in params else self.domains
        return {"vcpus": [{"name": facts["name"], "id": facts["id"], "vcpu": i, "cpu": i if i == 0 else None,
                           "state": "running" if i == 0 else "offline", "cpu_seconds": 1.5, "affinity": "all"}
                          for facts in chosen for i in range(facts["vcpus"])]}

    def do_vcpu_set(self, params, connection):
        self.find(params)
        return {"vcpus": params["vcpus"]}

    def do_vcpu_pin(self, params, connection):
        return self.do_vcpu_list(params, connection)

    def do_mem_set(self, params, connection):
        self.find(params)
        return {"memory_kib": params["memory_kib"], "memory_target_kib": params["memory_kib"]}

    def do_sched(self, params, connection):
        self.find(params)
        return {"weight": params.get("weight", 256), "cap": params.get("cap", 0),
                "warp_us": params.get("warp_us", 0), "warp_limit_us": params.get("warp_limit_us", 0)}

    def do_plan(self, params, connection):
        return {"steps": [
            {"domain": "web", "action": "change", "note": None, "changes": [
                {"field": "memory", "from": "131072 KiB", "to": "262144 KiB", "how": "live"}]},
            {"domain": "db", "action": "blocked", "note": "it would have to be restarted: --restart allows it",
             "changes": [{"field": "kernel", "from": "/boot/a", "to": "", "how": "restart"}]},
            {"domain": "mail", "action": "create", "note": None, "changes": []}], "warnings": []}

    def do_apply(self, params, connection):
        steps = self.do_plan(params, connection)["steps"]
        return {"steps": [dict(step, done=step["action"] != "blocked", error=None) for step in steps], "warnings": []}

    def do_console(self, params, connection):
        self.find(params)
        self.master, slave = pty.openpty()
        tty.setraw(slave)
        self.slaves.append(slave)
        return {"tty": os.ttyname(slave)}


class Connection:
    """One client. A scripted answer that sends by itself returns its connection."""

    def __init__(self, connection):
        self.connection = connection
        self.file = connection.makefile("rb")
        self.id = None

    def send(self, message):
        self.send_raw(json.dumps(message).encode() + b"\n")

    def send_raw(self, data):
        self.connection.sendall(data)

    def progress(self, text):
        self.send({"jsonrpc": "2.0", "method": "progress", "params": {"id": self.id, "text": text}})

    def result(self, result):
        self.send({"jsonrpc": "2.0", "id": self.id, "result": result})

    def hang_up(self):
        self.connection.shutdown(socket.SHUT_RDWR)


if __name__ == "__main__":
    FakeSkinkd(sys.argv[1])
    threading.Event().wait()
