# SPDX-License-Identifier: MIT
"""A Debian with systemd, made by mmdebstrap, that boots from a partition through disk0 and has its network through net0: each of the devices' drivers."""
import hashlib
import json
import os
import re
import socket
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from dom0 import Dom0, guest, image_with, wait_until
from machine import BUILD
from test_drivers import attach, driver, hostdev, interface, partition, partition_by_uuid, with_namespace

IMAGES = "var/lib/skink/images"
FIRST = 2048
ROOT_MIB, CD_MIB = 640, 2
LIMITED = "deadbeef-dead-4bee-8f00-000000000003"
LOG = "/var/log/skink/consoles/guest-debian.log"
# A disk and a card.
MACHINES = {
    "virtio": ("virtio-blk-pci,disable-legacy=on,iommu_platform=on", "virtio-net-pci,disable-legacy=on,iommu_platform=on"),
    "nvme-e1000e": ("nvme,serial=1", "e1000e"),
}


def make_disk(path):
    """A GPT with Debian's root, and a small partition that stands for a CD."""
    table = (f"label: gpt\nstart={FIRST}, size={ROOT_MIB}MiB, name=root\nsize={CD_MIB}MiB, name=cd\nsize=64MiB, name=limited, uuid={LIMITED}\n")
    with open(path, "wb") as image:
        image.truncate((ROOT_MIB + 128) << 20)
    subprocess.run(["sfdisk", "-q", path], input=table.encode(), check=True)
    subprocess.run(["dd", f"if={BUILD}/dom0/root.ext4", f"of={path}", "bs=1M", f"seek={FIRST // 2048}", "conv=notrunc,sparse",
                    "status=none"], check=True)
    with open(path, "r+b") as image:
        image.seek((FIRST // 2048 + ROOT_MIB) << 20)
        image.write(b"this is a cd")


@pytest.fixture(scope="module", params=MACHINES)
def dom0(request):
    name = f"debian-{request.param}"
    path, (disk, card) = f"{BUILD}/test/{name}.disk", MACHINES[request.param]
    make_disk(path)
    image = image_with(name, {f"{IMAGES}/root-initrd": f"{BUILD}/dom0/root-initrd"})
    options = ("-machine", "q35", "-device", "intel-iommu,intremap=on", "-drive", f"file={path},format=raw,if=none,id=disk0",
               "-device", f"{disk},drive=disk0,addr=4", "-netdev", "user,id=net0", "-device", f"{card},netdev=net0,addr=5")
    with Dom0(name, memory=4096, limit=1500, image=image, more=options) as machine:
        machine.log_in()
        machine.write("disk0.xml", driver("disk0", "blk", hostdev(4), unprotected=False))
        machine.write("net0.xml", driver("net0", "net", hostdev(5), unprotected=False))
        machine.check("skink create disk0.xml && skink create net0.xml", 60)
        yield machine
        machine.end()
    os.unlink(path)


@pytest.fixture(scope="module")
def debian(dom0):
    """Logged in."""
    limited = "<iotune><write_bytes_sec>4194304</write_bytes_sec></iotune>"
    given = (partition("xvda", "root") + partition_by_uuid("xvdc", LIMITED, more=limited) + interface(more="<mac address='00:16:3e:00:00:02'/>") +
             "<disk type='block' device='cdrom'><backenddomain name='disk0'/><source dev='/dev/disk/by-partlabel/cd'/>"
             "<target dev='xvdb' bus='xen'/><readonly/></disk>")
    dom0.write("debian.xml", with_namespace(guest("debian", memory_mib=512, initrd=f"/{IMAGES}/root-initrd", devices=given)))
    dom0.check("skink create debian.xml", 120)
    dom0.wait_for_prompt(LOG, "debian login:", 600)
    type_into(dom0, "root")
    dom0.wait_for_prompt(LOG, "root@debian:", 120)
    return dom0


def type_into(dom0, line):
    dom0.check(f"tty=$(skink info debian --json | sed -n 's/.*\"console\": \"\\(.*\\)\".*/\\1/p'); printf '%s\\r' \"{line}\" > $tty")


def inside(dom0, command, limit=60):
    """What the guest's shell says, and that its command succeeded."""
    inside.count += 1
    begin, end = f"begin-{inside.count}", f"end-{inside.count}"
    # The guest echoes what is typed: the marks are put together by its shell.
    type_into(dom0, f"echo {begin[:3]}''{begin[3:]}; {command}; echo {end[:3]}''{end[3:]}=\\$?=")
    dom0.wait_for_words(LOG, f"{end}=", limit)
    said = dom0.check(f"sed -n '/{begin}\\r*$/,/{end}=/p' {LOG} | tail -n 60")
    assert f"{end}=0=" in said, said
    return said


inside.count = 0


def test_its_root_is_on_the_disk(debian):
    assert re.search(r"/dev/xvda .*ext4 rw", inside(debian, "grep ' / ' /proc/mounts"))
    assert "running" in inside(debian, "systemctl is-system-running --wait || systemctl --failed | cat", 180)
    said = inside(debian, "dmesg | grep -ciE 'warning|call trace|bug:|i/o error' | sed s/^/bad:/; true")
    assert "bad:0" in said, said


def test_its_network_brings_a_file_whole(debian):
    body = os.urandom(8 << 20)

    class Give(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass
    with ThreadingHTTPServer(("127.0.0.1", 0), Give) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        inside(debian, "dev=\\$(ls /sys/class/net | grep -v lo); ip link set \\$dev up && ip addr add 10.0.2.15/24 dev \\$dev")
        inside(debian, f"wget -q -T 20 -O /root/file http://10.0.2.2:{server.server_port}/file", 180)
        assert hashlib.sha256(body).hexdigest() in inside(debian, "sha256sum /root/file")
        server.shutdown()


@pytest.mark.parametrize("way", ("", "-R"), ids=("out", "in"))
def test_iperf3(debian, way):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    with subprocess.Popen(["iperf3", "-s", "-1", "-B", "127.0.0.1", "-p", port, "--forceflush"], stdout=subprocess.PIPE, text=True) as server:
        try:
            assert any("listening" in line for line in iter(server.stdout.readline, ""))
            said = inside(debian, f"iperf3 -c 10.0.2.2 -p {port} -n 16M {way} | tail -n 5", 180)
            assert re.search(r"16\.0 MBytes .* sender", said) and re.search(r"1[56]\.\d MBytes .* receiver", said), said
        finally:
            server.kill()


def test_fio_finds_what_it_wrote(debian):
    said = inside(debian, "fio --name=v --filename=/root/v --size=24M --rw=randrw --bsrange=4k-128k --ioengine=libaio --direct=1 --iodepth=16 "
                  "--fsync=32 --verify=crc32c --verify_fatal=1 --do_verify=1 --minimal > /tmp/fio; echo fio:\\$?; rm /root/v", 240)
    assert "fio:0" in said, said


def test_a_cd_is_read_and_not_written(debian):
    assert "this is a cd" in inside(debian, "head -c 12 /dev/xvdb; echo")
    assert "1" in inside(debian, "cat /sys/block/xvdb/ro")
    assert "refused" in inside(debian, "dd if=/dev/zero of=/dev/xvdb count=1 2>/dev/null || echo refused")
    assert {one["name"] for one in json.loads(debian.check("skink info debian --json"))["attachments"]} >= {"xvda", "xvdb", "xvdc"}


def test_a_disk_with_a_limit_is_no_faster(debian):
    """16 MiB at 4 MiB a second: a second's worth may come at once."""
    said = inside(debian, "a=\\$(date +%s%N); dd if=/dev/zero of=/dev/xvdc bs=1M count=16 oflag=direct status=none; "
                  "echo took:\\$(((\\$(date +%s%N) - a) / 1000000))", 120)
    assert int(re.search(r"took:(\d+)", said).group(1)) > 2500, said


def test_it_powers_off_and_its_file_system_is_whole(debian):
    type_into(debian, "poweroff")
    wait_until(lambda: "debian" not in debian.check("skink list"), 120)
    debian.write("root.xml", partition("xvda", "root"))
    attach(debian, "root.xml", "xvda")
    debian.check("e2fsck -fn /dev/xvda && skink detach Domain-0 xvda", 120)
