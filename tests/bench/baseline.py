# SPDX-License-Identifier: MIT
"""What got worse since an earlier bench.json."""
import json

from targets import more_is_better

# Less is not marked: a few instructions move with the code around them.
MARKED = 0.03


class Wrong(Exception):
    """The file is no earlier bench.json."""


def read(path):
    """{(name, system): figure}."""
    try:
        with open(path, encoding="utf-8") as file:
            figures = json.load(file)
        old = {(figure["name"], figure["system"]): figure for figure in figures}
        for (name, system), figure in old.items():
            if not isinstance(figure["unit"], str) or isinstance(figure["p50"], bool) or not isinstance(figure["p50"], (int, float)):
                raise Wrong(f"{path}: {name} of {system} has no unit or no p50 that is a number: name a build/bench.json as make bench wrote it")
    except OSError as wrong:
        raise Wrong(f"{path}: {wrong.strerror}: copy an earlier build/bench.json and name that as BASELINE=") from None
    except ValueError as wrong:
        raise Wrong(f"{path}: this is no JSON ({wrong}): name a build/bench.json as make bench wrote it") from None
    except (KeyError, TypeError):
        raise Wrong(f"{path}: this is no list of figures with name, system, unit and p50: name a build/bench.json as make bench wrote it") from None
    return old


def change(before, after):
    """How much worse, as a share; below 0 it is better. None: these are not to be compared."""
    if before["unit"] != after["unit"] or before["p50"] <= 0 or after["p50"] <= 0:
        return None
    if more_is_better(after["unit"]):
        before, after = after, before
    # 3 % is 3 %, however it is rounded.
    return round(after["p50"] / before["p50"] - 1, 9)


def changes(old, results):
    """{(name, system): change} of what is in both."""
    found = {(name, system): change(old[name, system], figure)
             for system, column in results.items() for name, figure in column.items() if (name, system) in old}
    return {key: share for key, share in found.items() if share is not None}


def worse(old, results):
    """Lines, worst first, of what is marked. What devices or the host have a part in may be worse by chance: that is said."""
    marked = sorted((item for item in changes(old, results).items() if item[1] > MARKED), key=lambda item: -item[1])
    return [f"{name} on {system}: {old[name, system]['p50']:,} was, {results[system][name]['p50']:,} is, {share:.1%} worse" +
            ("" if results[system][name]["deterministic"] else " (not deterministic: compare with its spread)") for (name, system), share in marked]
