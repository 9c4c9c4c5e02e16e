# SPDX-License-Identifier: MIT
"""What pages say of tests and of classes of faults is there: the guest ABI's table, docs/faults.md, and invariants that sources name."""
import glob
import os
import re


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


# ------------------------------------------------------------------ the guest ABI

def listed(kernel):
    """As its source lists them, in the words of its TAP lines."""
    return [name.replace("_", " ") for name in re.findall(r"^\tTEST\((\w+)\)", read(f"tests/guest/{kernel}.c"), re.M)]


def cited():
    """`kernel: test` and `kernel`, in order."""
    found = [" ".join(text.split()) for text in re.findall(r"`([^`]+)`", read("docs/abi.md"))]
    kernels = {os.path.basename(path)[:-2] for path in glob.glob("tests/guest/*.c")}
    return [text.partition(": ")[::2] for text in found if text.partition(": ")[0] in kernels]


def test_each_test_that_the_abi_page_names_is_there():
    assert len(cited()) > 150
    for kernel, test in cited():
        assert not test or test in listed(kernel), f"docs/abi.md: `{kernel}: {test}` is no test of tests/guest/{kernel}.c"


def rows():
    """The cells of each row of a table that says what Skink does."""
    lines = re.findall(r"^\| (.*) \|$", read("docs/abi.md"), re.M)
    return [[cell.strip() for cell in line.split(" | ")] for line in lines if not re.match(r"nr |what |operation |-", line)]


def test_each_row_of_the_abi_page_names_a_test():
    assert len(rows()) > 100
    for row in rows():
        assert row[-1].startswith(("`", "all of `", "unit tests", "Linux' boot", "the end of every kernel")), f"docs/abi.md: {row[0]} {row[1]}: by which test?"
