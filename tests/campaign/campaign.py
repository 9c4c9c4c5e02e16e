#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""
campaign.py PLAN [--only CASE]... [--accumulate] [--mixed]    runs what is left of a plan, then writes its report
campaign.py PLAN --only CASE --times N                        runs a case N times: the report says how often it came to what
campaign.py PLAN --only CASE --exact [--times N]      records a case on a machine of one CPU, then replays it; what is recorded is replayed alone
campaign.py --merge OUT FILE...                               all results of several files in one
campaign.py --report OUT FILE...                              OUT.html and OUT.csv of result files

Results are build/campaign/NAME.jsonl, where NAME is the plan's; a case that stands there is not run again, unless --only names it.
The exit status is 1 if something that is demanded was tested and does not hold (report.demands()).
"""
import argparse
import os
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "system")]
import case as cases  # noqa: E402
import exact  # noqa: E402
import judge  # noqa: E402
import machine_room as room  # noqa: E402
import plan as plans  # noqa: E402
import report  # noqa: E402
import results  # noqa: E402
from session import CoreLost, Dom0Lost, Lost, Refused, Session  # noqa: E402

SAMPLES_EACH = 25


def say_at_once(text):
    print(text, flush=True)


class Campaign:
    def __init__(self, plan, name, store, drivers=None, say=None):
        self.plan, self.name, self.store, self.drivers, self.say = plan, name, store, drivers, say or say_at_once
        self.session, self.boots, self.ran = None, 0, 0
        self.before = None      # the case before this one, and what came of it
        self.marks = []
        self.is_late = False    # the plan's minutes were over before its cases

    def machine(self):
        """Of two in a row that do not come up the second ends the campaign: no case is the worse for it."""
        if not self.session:
            try:
                self.session = self.new_machine()
            except (CoreLost, Dom0Lost):
                raise
            except Lost as wrong:
                self.say(f"  another machine: {wrong}")
                self.session = self.new_machine()
            self.ran, self.marks = 0, []
        return self.session

    def new_machine(self):
        self.boots += 1
        self.say(f"  machine {self.boots} starts ...")
        return Session(self.name, self.plan, int(time.time()), self.drivers).__enter__()

    def drop_machine(self, is_lost=False):
        """What its disk holds in the end belongs to all cases that were run on it."""
        if not self.session:
            return
        self.note_samples()
        session, self.session = self.session, None
        try:
            if not is_lost:
                session.end()
        finally:
            session.__exit__()
            self.note_looks(session)

    def note_looks(self, session):
        for note in session.take_notes():
            self.store.add(note)

    def note_samples(self):
        session = self.session
        if session.samples:
            self.store.add({"kind": "samples", "boot": session.number, "samples": session.samples, "marks": self.marks})
            session.samples, self.marks = [], []

    def attempt(self, case):
        """One case on a machine that is well; what it needs to be well again is done before the next."""
        session = self.machine()
        record = cases.run(session, case, self.plan)
        session.has_run(case)
        if "at_s" in record:
            self.marks.append((record["at_s"], record["outcome"] in report.HARM))
        self.ran += 1
        return record

    def look_at_disk(self, case):
        """What stops a driver must not spoil a disk, whatever a wrong value may: where the one follows the other, the disk is looked at between them."""
        session = self.session
        if session.ran and cases.spoils(session, case) != cases.spoils(session, self.before):
            session.look_at_disk()

    def look_back(self, case):
        """Before a case: what still is that of the one before it. Where that was harm there is another machine."""
        session = self.session
        if not session or not session.cases:
            return
        was_harmed = False
        try:
            was_harmed = bool(cases.look_back(session, self.before))
            self.look_at_disk(case)
            was_harmed |= bool(cases.look_back(session, self.before))       # that took its time
        except (CoreLost, Dom0Lost) as wrong:
            session.hold_against_last(wrong)
        except (Lost, Refused) as wrong:
            session.ends.append((str(wrong), session.cases))
        if was_harmed or session.later or session.ends:
            self.say("  another machine: the case before has harmed this one")
            self.drop_machine(is_lost=True)

    def run_one(self, case):
        self.look_back(case)
        record = self.attempt(case)
        self.before = record
        self.store.add(record)
        self.say(f"  {record['id']}: {record['outcome']}: {record['why'][:150]}")
        if self.ran % SAMPLES_EACH == 0 and self.session:
            self.note_samples()
        self.look_after(case, record)
        if self.session:
            self.note_looks(self.session)

    def look_after(self, case, record):
        """The next case finds a machine that is well, or none."""
        if not self.session:
            return
        if record["outcome"] in cases.MACHINE_IS_LOST:
            self.drop_machine(is_lost=True)
            return
        try:
            is_well = cases.make_well(self.session, case, record) and self.ran < self.plan["machine"]["cases_per_boot"]
        except (CoreLost, Dom0Lost) as wrong:
            self.session.hold_against_last(wrong)
            self.drop_machine(is_lost=True)
            return
        if not is_well:
            self.drop_machine()

    def record(self, case, recording):
        """The case alone, on a machine that QEMU records from power-on until its guests have ended."""
        plan = exact.patient(self.plan)
        with Session(f"{self.name}-exact", plan, int(time.time()), self.drivers, recording) as session:
            record = cases.run(session, case, plan)
            session.has_run(case)
            if record["outcome"] not in cases.MACHINE_IS_LOST:
                session.end()
            session.machine.quit()
        recording.finish(judge.with_machine({case["id"]: record}, session.take_notes())[case["id"]])

    def exactly(self, case, times, more=()):
        """Recorded, if it is not yet, and so many times in all."""
        recording = recording_of(self.name, case["id"])
        if not recording.is_there():
            self.say(f"  {case['id']}: is recorded in {recording.folder} ...")
            self.record(case, recording)
            self.tell_exact(recording, "recorded")
            times -= 1
        for _ in range(times):
            recording.read().replay(more)
            self.tell_exact(recording, "replayed, and all that the machine said came again")

    def tell_exact(self, recording, how):
        record = recording.read().told["record"]
        self.say(f"  {record['id']}: {record['outcome']}: {record['why'][:150]}: {how}")

    def classes(self):
        """What "*" stands for, as skinkd says it."""
        wanted = any("*" in fault["class"] for fault in self.plan["faults"])
        return cases.classes(self.machine()) if wanted else {}

    def run(self, only=()):
        """Without `only`: all that is left of the plan, golden runs first."""
        if only:
            todo = [plans.case_of(identity) for identity in only]
        else:
            self.run_golden()
            todo = plans.cases(self.plan, self.classes(), self.store.cases)
        minutes = 0 if only else self.plan["limits"]["minutes"]
        until = time.monotonic() + minutes * 60
        for case in todo:
            if minutes and time.monotonic() > until:
                self.say(f"  {minutes} minutes are over: the same command goes on from here")
                self.is_late = True
                break
            self.run_one(case)

    def run_golden(self):
        for number in range(1, self.plan["campaign"]["golden"] + 1):
            if f"golden/{number}" not in self.store.cases:
                self.run_one({"id": f"golden/{number}", "golden": True, "driver": "", "class": "golden", "seed": number, "mode": plans.FRESH,
                              "seconds": self.plan["limits"]["golden_s"]})


def recording_of(plan_name, identity):
    return exact.Recording(f"{room.FOLDER}/exact/{plan_name}/{identity.replace('/', '-')}")


def symbols_of(name):
    """The functions of a driver's image."""
    for flavour in ("gcc", "clang"):
        path = f"{room.BUILD}/{flavour}/{name}.elf"
        if os.path.exists(path):
            lines = subprocess.run(["nm", "-S", "--defined-only", path], stdout=subprocess.PIPE, text=True, check=True).stdout.splitlines()
            return {line.split()[3] for line in lines if len(line.split()) == 4 and line.split()[2] in "tT"}
    return set()


def repeat(case):
    """By the plan that it was run by, as the run's own line says."""
    return f"make campaign PLAN={case['plan']} ONLY={case['id']}"


def write_report(out, name, paths):
    """(records, does all hold that was tested?)"""
    versions, records, notes = results.load(paths)
    records = judge.with_machine(records, notes)
    symbols = {driver: symbols_of(role) for driver, role in room.ROLES.items()}
    records = {identity: {**case, "exact": recording_of(name, identity).read().told} for identity, case in records.items()}
    demands = report.write(out, name, versions, records, notes, symbols, repeat)
    print(f"  {report.summary(records.values())}\n  report: {out}.html, {out}.csv")
    for what, verdict, figures in demands:
        if verdict != report.HOLDS:
            print(f"  {verdict}: {what}: {figures}")
    never = report.never_activated(records.values())
    if never:
        print(f"  never activated, so {report.UNTESTED}: {', '.join(never)}")
    return records, all(verdict != report.FAILS for _, verdict, _ in demands)


def run_exactly(campaign, options):
    """Recordings and replays are in no result file: a report names those that are there."""
    if not options.only:
        raise plans.Wrong("--exact: which case? Write ONLY=driver/class/seed EXACT=1")
    for identity in options.only:
        if ":" in identity:
            raise plans.Wrong(f"{identity}: what the campaign does itself is done from the host, and QEMU records nothing of it: write TIMES=20")
    for identity in options.only:
        campaign.exactly(plans.case_of(identity), options.times, exact.GDB if options.gdb else ())
    return 0


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("plan", nargs="?")
    parser.add_argument("--only", action="append", default=[])
    parser.add_argument("--times", type=int, default=1)
    parser.add_argument("--exact", action="store_true")
    parser.add_argument("--gdb", action="store_true")
    parser.add_argument("--accumulate", action="store_true")
    parser.add_argument("--mixed", action="store_true")
    parser.add_argument("--merge", nargs="+")
    parser.add_argument("--report", nargs="+")
    options = parser.parse_args()
    if options.merge:
        print(f"  {results.merge(options.merge[1:], options.merge[0], options.mixed)} cases in {options.merge[0]}")
        return 0
    if options.report:
        return not write_report(options.report[0], os.path.basename(options.report[0]), options.report[1:])[1]
    if not options.plan:
        raise plans.Wrong("no plan: write PLAN=tests/campaign/plans/default.toml")
    plan = plans.read(options.plan)
    if room.needs_debian(plan) and not os.path.exists(room.DEBIAN):
        raise plans.Wrong(f"{options.plan}: [load] postgresql, fio: there is no {room.DEBIAN}: make {room.DEBIAN}")
    if options.accumulate:
        plan["campaign"]["mode"] = plans.ACCUMULATE
    name = plan["campaign"]["name"]
    path = f"{room.FOLDER}/{name}"
    if options.exact:
        return run_exactly(Campaign(plan, name, None), options)
    store = results.Store(f"{path}.jsonl", room.versions(plan), options.mixed, options.plan)
    campaign = Campaign(plan, name, store)
    try:
        # With more than one CPU a seed chooses the place, and not the moment: how often of so many.
        campaign.run([identity for identity in options.only for _ in range(options.times)])
    finally:
        campaign.drop_machine()
    return not write_report(path, name, [f"{path}.jsonl"])[1]


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (plans.Wrong, results.Wrong, exact.Broken, Lost) as complaint:
        sys.exit(f"campaign: {complaint}")
    except KeyboardInterrupt:
        print("\n  stopped: the same command goes on where it was; REPORT= shows what there is", file=sys.stderr)
        sys.exit(130)
