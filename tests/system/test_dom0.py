# SPDX-License-Identifier: MIT
"""The Dom0 system itself: it is up in time, is an ordinary Debian, keeps its services running, and ends in order."""
import os
import re
import subprocess
import tarfile

import pytest

from device_manifests import disk, driver, hostdev
from dom0 import DOM0_LINE, IMAGE, UNPACKED, Dom0, field, guest, rows, wait_until
from machine import BUILD, CORE_ARGS, Machine, by_kernel

UP_SECONDS = 6
UNPACKED_MIB = 134     # 14 of them for lvm2, iproute2, e2fsprogs and what these want
SERVICES = ["getty-hvc0", "rotate", "skinkd", "xenconsoled"]
COMPLAINTS = r"WARNING:|BUG:|Call Trace|Oops|general protection|segfault|Unable to open an initial console"


class TimedDom0(Dom0):
    """One instruction takes one nanosecond; as `make run` starts it."""

    def __init__(self, name):
        modules = [(f"{BUILD}/dom0/vmlinux", DOM0_LINE), (IMAGE, "")]
        hypervisor = os.environ.get("HYPERVISOR", f"{BUILD}/skink")
        Machine.__init__(self, name, *by_kernel(hypervisor, modules, f"{CORE_ARGS} dom0_mem=640M"),
                         "-icount", "shift=0,sleep=off", smp="1", memory=2048, limit=600)


@pytest.fixture(scope="module")
def dom0():
    # With the newer kernel for guests: one archive behind the other.
    os.makedirs(f"{BUILD}/test", exist_ok=True)
    image = f"{BUILD}/test/dom0-newer.cpio"
    with open(image, "wb") as out:
        for part in f"{BUILD}/dom0/newer.cpio", UNPACKED:
            out.write(open(part, "rb").read())
    with Dom0("dom0", image=image) as machine:
        yield machine.log_in()


def last_word(output):
    return output.split()[-1]


# ------------------------------------------------------------------ how it starts

def test_the_login_is_there_in_time():
    with TimedDom0("dom0-time") as machine:
        machine.log_in()
        # While a person thinks, idle time flies: what counts is when the process that now is login was started.
        started = int(last_word(machine.check("cut -d' ' -f22 /proc/$PPID/stat"))) / 100
        print(f"login after {started} s")
        assert 1 < started < UP_SECONDS
        machine.send("poweroff")
        machine.wait_for_end(60)


def test_it_has_little_to_unpack(dom0):
    used = int(last_word(dom0.check("df --output=used -m /")))
    guests = int(dom0.check("du -sm /var/lib/skink").split()[0])
    print(f"{used} MiB in /, {guests} of them for guests")
    assert used - guests < UNPACKED_MIB + 7     # and what was written since
    assert guests < 36 + 30     # the image's own kernel and the newer one: as packaged, and unpacked


def test_the_kernel_does_not_complain(dom0):
    status, found = dom0.run(f"dmesg | grep -E '{COMPLAINTS}'")
    assert status == 1, found


# ------------------------------------------------------------------ what is there

def test_it_is_a_debian_in_which_an_administrator_finds_his_tools(dom0):
    assert 'VERSION_ID="12"' in dom0.check("cat /etc/os-release")
    assert "install ok installed" in dom0.check("dpkg-query -W -f='${Status}\\n' bash")
    for tool in "less nano man ps top awk find xl xenstore-ls skink skinkd".split():
        dom0.check(f"command -v {tool}")
    assert "list directory contents" in dom0.check("man ls | cat")
    assert dom0.ends_with("dpkg --audit | grep .") == 1


def test_completion_knows_more_than_files(dom0):
    dom0.completes(("modpr", "modprobe "), ("--show-dep", "--show-depends "))


def test_skinks_places_are_there(dom0):
    dom0.check("test -d /etc/skink/domains && test -d /etc/skink/system && test -s /etc/skink/skinkd.conf")
    dom0.check("test -s /usr/share/skink/skink.rng && test -s /usr/share/skink/manifests/debian.xml")
    assert last_word(dom0.check("stat -c %G /run/skink/skinkd.sock")) == "skink"
    assert last_word(dom0.check("stat -c %A:%G /var/log/skink")) == "drwxr-x---:skink"
    dom0.check("skinkd -t && skink validate /usr/share/skink/manifests/debian.xml")


def test_nobody_but_root_can_log_in_and_root_needs_no_password(dom0):
    assert last_word(dom0.check("awk -F: '$2 !~ /[*!]/ { print $1 \":\" $2 }' /etc/shadow")) == "root:"
    assert last_word(dom0.check("id -un")) == "root"


def test_the_store_knows_domain_0(dom0):
    tree = dom0.check("xenstore-ls -f /local/domain/0")
    assert '/local/domain/0/name = "Domain-0"' in tree and '/local/domain/0/domid = "0"' in tree


# ------------------------------------------------------------------ services

def pid_of(dom0, service):
    return last_word(dom0.check(f"cat /etc/service/{service}/supervise/pid"))


def test_all_services_run_and_no_other(dom0):
    # The login, which is one of them, waits for no other.
    wait_until(lambda: re.findall(r"^(\w+): /etc/service/([\w-]+):", dom0.run("sv status /etc/service/*")[1], re.M) == [("run", name) for name in SERVICES])


@pytest.mark.parametrize("service, works", [("skinkd", "skink list"), ("xenconsoled", "true")])
def test_a_service_that_is_killed_is_started_again(dom0, service, works):
    before = pid_of(dom0, service)
    dom0.check(f"kill -9 {before}")
    dom0.check(f"for i in $(seq 100); do pid=$(cat /etc/service/{service}/supervise/pid); "
               f"[ -n \"$pid\" ] && [ $pid != {before} ] && {works} > /dev/null 2>&1 && break; sleep 0.1; done; "
               f"[ $pid != {before} ] && {works}", 60)


def test_what_a_guest_says_does_not_fill_dom0s_memory(dom0):
    logs = "/var/log/skink/consoles"
    for round in range(4):
        dom0.check(f"dd if=/dev/zero bs=1M count=2 of={logs}/guest-loud.log 2>/dev/null")
        # It looks when it starts, and every ten seconds.
        dom0.check(f"sv -w 20 restart rotate > /dev/null; for i in $(seq 300); do test -e {logs}/guest-loud.log || break; sleep 0.1; "
                   f"done; test ! -e {logs}/guest-loud.log", 60)
    assert sorted(os.path.basename(name) for name in dom0.check(f"ls {logs}/guest-loud*").split()
                  if "guest-loud" in name and "*" not in name) == ["guest-loud.log.1", "guest-loud.log.2"]
    dom0.check(f"rm {logs}/guest-loud*")


def test_what_guests_said_that_have_gone_does_not_fill_dom0s_memory(dom0):
    logs = "/var/log/skink/consoles"
    dom0.check(f"for i in $(seq 70); do head -c 1000k /dev/zero > {logs}/guest-gone$i.log; touch -d \"$i minutes ago\" {logs}/guest-gone$i.log; done; echo > {logs}/guest-gone1.log.1", 60)
    dom0.check(f"sv -w 20 restart rotate > /dev/null; for i in $(seq 300); do test -e {logs}/guest-gone70.log || break; sleep 0.1; done", 60)
    listed = dom0.check(f"ls {logs} | cat")
    assert "guest-gone1.log.1" not in listed, listed       # what was set aside goes first
    left = {int(number) for number in re.findall(r"guest-gone(\d+)\.log", listed)}
    assert 60 < len(left) < 66 and left == set(range(1, len(left) + 1)), left
    dom0.check(f"rm {logs}/guest-gone*")


# ------------------------------------------------------------------ kernels that are unpacked ahead of their use

def prepared(dom0):
    return set(dom0.check("ls /var/lib/skink/kernels").split())


def test_the_kernels_of_the_image_are_unpacked(dom0):
    names = prepared(dom0)
    assert len(names) == 2 and all(name.endswith(".prepared") for name in names), names


def test_a_kernel_that_is_installed_is_unpacked_and_one_that_is_removed_forgotten(dom0):
    """As dpkg calls the hooks of kernels' packages."""
    before = prepared(dom0)
    dom0.check("mkdir -p /boot; (cat /var/lib/skink/images/vmlinuz; echo) > /boot/vmlinuz-9.9")
    dom0.check("cd / && run-parts --arg=9.9 --arg=/boot/vmlinuz-9.9 /etc/kernel/postinst.d", 120)
    after = prepared(dom0)
    assert after > before and len(after) == len(before) + 1
    dom0.write("ahead.xml", guest("ahead", kernel="/boot/vmlinuz-9.9"))
    dom0.check("skink create --paused ahead.xml && skink destroy ahead", 120)
    # It was found, or it would have been kept by now or soon.
    dom0.check("sleep 1")
    assert prepared(dom0) == after
    dom0.check("rm /boot/vmlinuz-9.9; run-parts --arg=9.9 --arg=/boot/vmlinuz-9.9 /etc/kernel/postrm.d", 60)
    assert prepared(dom0) == before


def test_a_file_that_is_no_kernel_does_not_stop_a_packages_hook(dom0):
    before = prepared(dom0)
    dom0.check("echo nothing > /boot/vmlinuz-8.8")
    said = dom0.check("run-parts --arg=8.8 --arg=/boot/vmlinuz-8.8 /etc/kernel/postinst.d 2>&1", 60)
    assert "/boot/vmlinuz-8.8: it is not unpacked ahead of its use: it is no kernel" in said
    dom0.check("rm /boot/vmlinuz-8.8")
    assert prepared(dom0) == before


# ------------------------------------------------------------------ guests

@pytest.mark.parametrize("kernel, release", [("vmlinuz", r"6\.1\."), ("vmlinuz-newer", r"6\.12\.")])
def test_a_stock_kernel_of_debian_comes_to_its_shell(dom0, kernel, release):
    dom0.write("g.xml", guest("g", memory_mib=128, kernel=f"/var/lib/skink/images/{kernel}"))
    dom0.check("skink create g.xml", 180)
    log = "/var/log/skink/consoles/guest-g.log"
    dom0.wait_for_words(log, "guest: Linux", 180)
    assert re.search(f"guest: Linux {release}.*, 1 vcpus", dom0.check(f"grep -a 'guest: ' {log} | tr -d '\\033'"))
    dom0.check("skink shutdown g --timeout 60", 90)
    dom0.wait_for_words(log, "guest: going down")
    dom0.check(f"rm {log}; sv hup xenconsoled")


# ------------------------------------------------------------------ how it ends

def test_poweroff_stops_what_runs_and_ends_the_machine(dom0):
    dom0.send("poweroff")
    dom0.expect("dom0: stopping services", 60)
    dom0.expect("runit: power off", 60)
    dom0.wait_for_end(60)


def test_reboot_resets_the_machine():
    with Dom0("dom0-reboot", smp="1", memory=2048) as machine:
        machine.log_in()
        machine.send("reboot")
        machine.expect("runit: system reboot", 60)
        machine.wait_for_end(60)    # QEMU runs with -no-reboot


# ------------------------------------------------------------------ how it ends with a disk of its own

@pytest.fixture
def with_disk(request):
    """It is mounted at /mnt, as docs/admin.md says; and the second death of its driver is the last."""
    path = f"{BUILD}/test/dom0-{request.param}.disk"
    subprocess.run(["mkfs.ext4", "-q", "-F", path, "64M"], check=True)
    options = ("-drive", f"file={path},format=raw,if=none,id=disk0", "-device", "virtio-blk-pci,drive=disk0,addr=4,disable-legacy=on")
    policy = "<skink:inject allow='yes'/><skink:restart limit='1' within='10min' then='hold'/>"
    with Dom0(f"dom0-{request.param}", smp="1", memory=2048, more=options) as machine:
        machine.disk = path
        machine.log_in()
        machine.write("disk0.xml", driver("disk0", "blk", hostdev(4)).replace("</skink:driver>", f"{policy}</skink:driver>"))
        machine.write("disk.xml", disk("xvda"))
        machine.check("skink create disk0.xml && skink attach Domain-0 disk.xml", 120)
        wait_until(lambda: machine.ends_with("test -b /dev/xvda") == 0)
        machine.check("mount /dev/xvda /mnt")
        yield machine


@pytest.mark.parametrize("with_disk", ["writer"], indirect=True)
def test_what_was_written_by_who_still_has_the_file_open_is_there_after_poweroff(with_disk):
    with_disk.check("exec 9> /mnt/kept")
    with_disk.send("echo 'written last' >&9; poweroff")
    with_disk.wait_for_end(180)     # by its kernel, or by the core if that had not let go of the disk yet
    assert subprocess.run(["e2fsck", "-fy", with_disk.disk], stdout=subprocess.DEVNULL, check=False).returncode in (0, 1)
    assert subprocess.run(["debugfs", "-R", "cat /kept", with_disk.disk], capture_output=True, check=True).stdout == b"written last\n"


@pytest.mark.parametrize("with_disk", ["held"], indirect=True)
def test_poweroff_does_not_wait_for_ever_for_a_disk_that_is_held(with_disk):
    for _ in range(2):
        with_disk.check("skink inject disk0 --class crash", 60)
    wait_until(lambda: "blk driver, held" in with_disk.check("skink list"))
    with_disk.send("poweroff")
    with_disk.expect("disk0: destroyed", 120)
    with_disk.wait_for_end(120)


# ------------------------------------------------------------------ guests that come and go with it

HEARD = "/var/log/skink/consoles/guest-{}.log"


@pytest.fixture(scope="module")
def host(tmp_path_factory):
    """A Dom0 that finds manifests in /etc/skink/domains when it starts: two of them are wrong."""
    tree = tmp_path_factory.mktemp("domains")
    domains = tree / "etc" / "skink" / "domains"
    domains.mkdir(parents=True)
    (domains / "10-one.xml").write_text(guest("one"))
    (domains / "20-wrong.xml").write_text(guest("wrong").replace("<vcpu>1<", "<vcpu>many<"))
    (domains / "30-again.xml").write_text(guest("one"))
    (domains / "40-two.xml").write_text(guest("two", more="<on_poweroff>restart</on_poweroff>"))
    (domains / "notes.txt").write_text("not a manifest\n")
    packed = subprocess.run(["dom0/image/pack.sh", str(tree)], stdout=subprocess.PIPE, check=True).stdout
    os.makedirs(f"{BUILD}/test", exist_ok=True)
    image = f"{BUILD}/test/dom0-domains.cpio"
    with open(image, "wb") as out, open(UNPACKED, "rb") as system:
        out.write(packed + system.read())
    with Dom0("dom0-guests", image=image, memory=2560) as machine:
        yield machine.log_in()


def wait_for_shell(dom0, name):
    dom0.wait_for_words(HEARD.format(name), "guest: Linux", 180)


def test_manifests_in_etc_are_started_with_the_host(host):
    wait_for_shell(host, "one")
    wait_for_shell(host, "two")
    assert set(rows(host.check("skink list"))) == {"Domain-0", "one", "two"}
    assert "autostart" in host.check("skink info one")


def test_autostart_puts_a_manifest_aside_and_back_as_it_is(host):
    file = "/etc/skink/domains/10-one.xml"
    was = host.check(f"sha256sum < {file}")
    host.check("skink autostart --disable one")
    assert field(host.check("skink info one"), "autostart") == "no" and host.ends_with(f"test -e {file}") != 0
    assert host.check(f"sha256sum < {file}.disabled") == was
    host.check("skink autostart one")
    assert field(host.check("skink info one"), "autostart") == "yes" and host.check(f"sha256sum < {file}") == was


def test_a_manifest_that_is_wrong_is_named_and_no_other_suffers(host):
    events = host.check("skink events | cat")
    assert re.search(r"failed +/etc/skink/domains/20-wrong\.xml:4:3: <vcpu>: 'many' is not a whole number", events)
    assert re.search(r"failed +/etc/skink/domains/30-again\.xml:2:3: <name>: 'one' is the name in "
                     r"/etc/skink/domains/10-one\.xml, line 2, too", events)
    assert "notes.txt" not in events


def test_poweroff_lets_guests_end_in_order_and_destroys_who_does_not_answer(host):
    host.write("deaf.xml", guest("deaf"))
    host.check("skink create --paused deaf.xml", 120)
    wait_for_shell(host, "one")
    wait_for_shell(host, "two")
    host.send(f"tail -q -n0 -F {HEARD.format('one')} {HEARD.format('two')} > /dev/hvc0 & sleep 1; poweroff")
    host.expect("dom0: shutting down guests", 60)
    began = host.seen
    host.expect("'deaf' does not answer", 120)
    host.expect("deaf: destroyed", 60)
    host.expect("dom0: stopping services", 60)
    said = host.text[began:host.seen]
    assert "one: shut down" in said and "two: shut down" in said
    assert said.count("guest: going down") == 2
    # The other was not started again, as its on_poweroff says at any other time.
    assert "one: destroyed" not in said and "two: destroyed" not in said
    host.expect("runit: power off", 60)
    host.wait_for_end(60)


# ------------------------------------------------------------------ how it is packed

def test_an_archive_keeps_links_and_modes_on_its_way_to_the_kernel(tmp_path):
    tree = tmp_path / "tree"
    (tree / "bin").mkdir(parents=True)
    (tree / "bin" / "one").write_bytes(b"1234567")
    (tree / "bin" / "one").chmod(0o751)
    os.link(tree / "bin" / "one", tree / "bin" / "two")
    os.symlink("bin/one", tree / "three")
    with tarfile.open(tmp_path / "tree.tar", "w") as archive:
        archive.add(tree, ".")
    with open(tmp_path / "tree.tar", "rb") as tar:
        packed = subprocess.run(["dom0/image/tar2cpio.py"], stdin=tar, stdout=subprocess.PIPE, check=True).stdout
    out = tmp_path / "out"
    out.mkdir()
    subprocess.run(["cpio", "-idm", "--quiet"], input=packed, cwd=out, check=True)
    one, two = out / "bin" / "one", out / "bin" / "two"
    assert one.read_bytes() == two.read_bytes() == b"1234567"
    assert one.stat().st_ino == two.stat().st_ino and one.stat().st_mode & 0o777 == 0o751
    assert os.readlink(out / "three") == "bin/one"


def test_the_same_files_give_the_same_bytes(tmp_path):
    for name in "a", "b":
        subprocess.run(["dom0/image/initrd.sh", str(tmp_path / name), "dom0/image/guest", "-"], check=True)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
