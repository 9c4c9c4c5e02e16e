# SPDX-License-Identifier: MIT
"""Result files: JSON lines, only ever added to. The first line of each run says what was run; each other one is a case, or something noted.

S1  A line is written whole, and is on the disk, before the next case begins: whoever is killed loses the case that was under way.
S2  A case that stands in a file is not run again, unless somebody asks for it. Of several lines with one id the worst holds: that it went well another time takes no failure back.
S3  Results of different images are never mixed unawares.
S4  A case knows the plan that it was run by: also in a file that was merged of several.
"""
import csv
import json
import os

import judge

# Of results whose run does not say it.
NO_PLAN = "tests/campaign/plans/default.toml"


class Wrong(Exception):
    pass


def load(paths):
    """(versions, cases by id, notes)."""
    versions, runs, notes = read(paths)
    return versions, {identity: worst(records) for identity, records in runs.items()}, notes


def read(paths):
    """(versions, by id all runs of a case, notes). What stands in several files is the same; a last line without its end is left out."""
    versions, runs, notes = [], {}, {}
    for path in paths:
        plan = NO_PLAN
        for record in records_of(path):
            if record.get("kind") == "run":
                plan = record.get("plan", NO_PLAN)
                add_new(versions, record["versions"])
            elif record.get("kind") == "case":
                add_new(runs.setdefault(record["id"], []), {"plan": plan, **record})
            else:
                notes[json.dumps(record, sort_keys=True)] = record
    return versions, runs, list(notes.values())


def add_new(records, record):
    if record not in records:
        records.append(record)


def worst(records):
    """What holds of several runs of a case, and what came of each: {outcome: how often}."""
    outcomes = [record["outcome"] for record in records]
    holds = max(reversed(records), key=judge.harm_of)
    return {**holds, "runs": {name: outcomes.count(name) for name in outcomes}} if len(records) > 1 else holds


def records_of(path):
    for number, line in enumerate(lines_of(path), 1):
        if not line.endswith("\n"):
            return
        try:
            yield json.loads(line)
        except json.JSONDecodeError as wrong:
            raise Wrong(f"{path}:{number}: no JSON: {wrong.msg}: take the line out, its case is run again") from wrong


def lines_of(path):
    if not os.path.exists(path):
        return []
    with open(path, encoding="utf-8") as file:
        return list(file)


class Store:
    """A file that is being added to."""

    def __init__(self, path, versions, mixed=False, plan=NO_PLAN):
        os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
        before, self.cases, self.notes = load([path])
        if before and not mixed and all(differs(one, versions) for one in before):
            raise Wrong(f"{path}: its results are of other images or programs: {difference(before[-1], versions)}. Move it away, "
                        "or go on with MIXED=1 and have both in one report")
        drop_cut_off(path)
        self.file = open(path, "a", encoding="utf-8")
        self.add({"kind": "run", "versions": versions, "plan": plan})

    def add(self, record):
        self.file.write(json.dumps(record, separators=(",", ":")) + "\n")
        self.file.flush()
        os.fsync(self.file.fileno())
        if record["kind"] == "case":
            self.cases[record["id"]] = max(record, self.cases.get(record["id"], record), key=judge.harm_of)
        elif record["kind"] != "run":
            self.notes.append(record)


def drop_cut_off(path):
    """What stands behind the last line feed: its writer was killed."""
    lines = lines_of(path)
    if lines and not lines[-1].endswith("\n"):
        os.truncate(path, sum(len(line.encode()) for line in lines[:-1]))


def differs(old, new):
    """In what a result depends on: what else was committed is for the reader."""
    return {**old, "commit": ""} != {**new, "commit": ""}


def difference(old, new):
    changed = sorted(key for key in {*old, *new} if old.get(key) != new.get(key))
    return ", ".join(f"{key} was {str(old.get(key))[:16]}, is {str(new.get(key))[:16]}" for key in changed)


def merge(paths, out, mixed=False):
    """All of several files in one; how many cases that are."""
    versions, runs, notes = read(paths)
    others = [one for one in versions if differs(versions[0], one)]
    if others and not mixed:
        raise Wrong(f"the files are of different images or programs: {difference(versions[0], others[0])}. MIXED=1 merges them all the same")
    with open(out + ".part", "w", encoding="utf-8") as file:
        for record in [{"kind": "run", "versions": one} for one in versions] + notes + [one for records in runs.values() for one in records]:
            file.write(json.dumps(record, separators=(",", ":")) + "\n")
    os.replace(out + ".part", out)
    return len(runs)


COLUMNS = ("id", "driver", "class", "seed", "mode", "outcome", "why", "activated", "detector", "restarts", "recovery_ns", "gap_ms", "what")


def row(case):
    """A case, flat, for the CSV."""
    seen, injected = case.get("seen", {}), case.get("injected", {})
    return {"id": case["id"], "driver": case["driver"], "class": case["class"], "seed": case["seed"], "mode": case["mode"],
            "outcome": case["outcome"], "why": case["why"], "activated": injected.get("activated"),
            "detector": " ".join(seen.get("detectors", [])), "restarts": seen.get("restarts", ""),
            "recovery_ns": " ".join(str(value) for value in seen.get("recovery_ns", [])), "gap_ms": case.get("gap_ms", ""),
            "what": injected.get("what", "")}


def write_csv(cases, path):
    with open(path, "w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        for case in cases:
            writer.writerow(row(case))
