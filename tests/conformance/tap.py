# SPDX-License-Identifier: MIT
"""TAP, as the scripts print it: a line for each rule, and a block of YAML behind one that is broken."""
import re

LINE = re.compile(r"(ok|not ok) \d+ - (?P<rule>\S+) .*")


class Result:
    """Exit status of a walk, its TAP, what went wrong with the harness, and the end of the consoles."""

    def __init__(self, status, tap, error, console):
        self.status, self.tap, self.error, self.console = status, tap, error, console

    def harness_failed(self):
        return self.status not in (0, 1) or not self.tap.startswith("TAP version")


def lines_of(said):
    """What else was said meanwhile is none of it. (rule, its lines) for each."""
    found, block = [], False
    for line in said.splitlines():
        match = LINE.fullmatch(line)
        if match:
            found.append((match["rule"], [line]))
        elif found and (block or line == "  ---"):
            found[-1][1].append(line)
            block = line != "  ..."
    return found


def only(said, rule=""):
    """A walk's TAP, or that of one rule alone: with a plan that is right."""
    kept = [lines for name, lines in lines_of(said) if rule in ("", name)]
    numbered = [[re.sub(r"(ok) \d+", rf"\g<1> {number}", lines[0], count=1), *lines[1:]] for number, lines in enumerate(kept, 1)]
    return "\n".join(["TAP version 13", f"1..{len(kept)}", *(line for lines in numbered for line in lines)])


def block_of(lines):
    """What the block behind a rule's line says, by key. It is as little of YAML as the scripts write; anything else is an error."""
    assert lines[1] == "  ---" and lines[-1] == "  ...", lines
    found, literal = {}, None
    for line in lines[2:-1]:
        quoted = re.fullmatch(r'  (\w+): "((?:[^"\\]|\\.)*)"', line)
        if quoted:
            found[quoted[1]], literal = re.sub(r"\\(.)", r"\1", quoted[2]), None
        elif re.fullmatch(r"  \w+: \|", line):
            literal = line[2:-3]
            found[literal] = ""
        elif literal and line.startswith("      "):
            found[literal] += line[6:] + "\n"
        elif re.fullmatch(r'  also:|  more: \d+|    (- expected|  seen): ".*"', line):
            literal = None
        else:
            raise AssertionError(f"no YAML that a script writes: {line}")
    return found
