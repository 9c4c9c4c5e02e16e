# SPDX-License-Identifier: MIT
"""What `make gdb` knows of the core: domains, vcpus, cpus, machine-frame MFN. Stop the machine with Ctrl-C first."""
import gdb

FRAME_TABLE = 0xffff818000000000    # FRAMES_START in cpu/layout.h
RUNSTATES = ["running", "runnable", "blocked", "offline"]
# Bits of struct frame, see mem/frame.h.
COUNT_FLAGS = {63: "allocated", 62: "the core's"}
TYPE_FLAGS = {55: "validated", 54: "partial", 53: "deferred", 52: "pinned"}


def value(expression):
    return gdb.parse_and_eval(expression)


def all_domains():
    for domid in range(int(value("'domain.c'::table_end"))):
        domain = value(f"'domain.c'::table[{domid}]")
        if domain:
            yield domain.dereference()


def flags(word, names):
    return "".join(f", {name}" for bit, name in names.items() if word >> bit & 1)


class Domains(gdb.Command):
    """Every domain: vcpus, references, frames, and whether it runs."""

    def __init__(self):
        super().__init__("domains", gdb.COMMAND_DATA)

    def invoke(self, argument, from_tty):
        print("   id vcpus  refs    frames state")
        for domain in all_domains():
            state = ("dying" if domain["is_dying"] else
                     f"shut down, reason {int(domain['shutdown_reason'])}" if domain["is_shut_down"] else
                     f"paused {int(domain['pause_count'])} times" if domain["pause_count"] else "runs")
            print(f"{int(domain['id']):5} {int(domain['vcpu_max']):5} {int(domain['references']):5} "
                  f"{int(domain['frame_count']):9} {state}")


class Vcpus(gdb.Command):
    """Every vcpu: where it is, and with which registers it last left its guest."""

    def __init__(self):
        super().__init__("vcpus", gdb.COMMAND_DATA)

    def invoke(self, argument, from_tty):
        print("domain vcpu cpu up state    mode                rip              rsp")
        for domain in all_domains():
            for number in range(int(domain["vcpu_max"])):
                vcpu = domain["vcpu"][number].dereference()
                print(f"{int(domain['id']):6} {number:4} {int(vcpu['cpu']['id']):3} {int(vcpu['is_up']):2} "
                      f"{RUNSTATES[int(vcpu['sched']['state'])]:8} {'kernel' if vcpu['in_kernel'] else 'user':6} "
                      f"{int(vcpu['regs']['rip']):16x} {int(vcpu['regs']['rsp']):16x}")


class Cpus(gdb.Command):
    """Every CPU: who runs there (domain 32767 is nobody), what it has been asked to do, and how many vcpus wait."""

    def __init__(self):
        super().__init__("cpus", gdb.COMMAND_DATA)

    def invoke(self, argument, from_tty):
        for number in range(int(value("cpu_count"))):
            cpu = value(f"cpu_by_id[{number}]").dereference()
            current = cpu["current"].dereference()
            print(f"cpu {number}, APIC id {int(cpu['apic_id'])}: domain {int(current['domain']['id'])}, "
                  f"vcpu {int(current['id'])}; softirqs {int(cpu['softirqs']):#x}; "
                  f"{int(value(f'sched_queue[{number}].count'))} wait")


class Frame(gdb.Command):
    """machine-frame MFN: who owns a frame of the machine, how often it is referred to, and as what."""

    def __init__(self):
        super().__init__("machine-frame", gdb.COMMAND_DATA, gdb.COMPLETE_EXPRESSION)

    def invoke(self, argument, from_tty):
        number = int(value(argument or "0"))
        if number >= int(value("frame_limit")):
            raise gdb.GdbError(f"machine-frame: the last frame is {int(value('frame_limit')) - 1:#x}")
        frame = value(f"((struct frame *){FRAME_TABLE:#x})[{number}]")
        count, word = int(frame["count"]), int(frame["type"])
        if count == 0:
            print(f"frame {number:#x} is free, or the core's from before it had any other use")
            return
        kind = gdb.lookup_type("enum frame_type").fields()[word >> 56 & 0xf].name
        print(f"frame {number:#x} of domain {int(frame['owner'])}: {count & 0xffffffff} references"
              f"{flags(count, COUNT_FLAGS)}; {kind}, {word & 0xffffffff} references by type{flags(word, TYPE_FLAGS)}")


for command in (Domains, Vcpus, Cpus, Frame):
    command()
