# SPDX-License-Identifier: MIT
"""What is written down is so: the table of the guest ABI, the classes of docs/faults.md, the invariants that the core's sources name, the callbacks of the reference front-ends."""
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


# ------------------------------------------------------------------ faults

def test_each_class_of_faults_is_defined_and_the_page_has_no_other():
    """Name, what is demanded, where and how, for how long, how its activation is known, and who ought to see it."""
    defined = dict(re.findall(r"^\| `([a-z-]+)` \| (\w+) \| [^|]+ \| [^|]+ \| [^|]+ \| [^|]+ \|$", read("docs/faults.md"), re.M))
    offered = {name: group.lower() for name, group in re.findall(r'^\t\{ "([a-z-]+)", FAULT_(\w+), "', read("dom0/lib/fault.c"), re.M)}
    injected = re.findall(r'^\t\{ "([a-z-]+)", fault_\w+ \},$', read("dom0/inject/faults.c"), re.M)
    assert defined == offered and set(injected) == set(offered) and len(offered) >= 16


# ------------------------------------------------------------------ invariants

# Which locks are held, and when: no test sees it, only what comes of it.
UNSEEN = {"F4", "F5", "I1"}


def test_each_invariant_of_the_core_is_quoted_by_a_test():
    named = {name for path in glob.glob("hypervisor/*/*.[ch]") for name in re.findall(r"^ \* ([A-Z]\d{1,2})  \S", read(path), re.M)}
    quoted = {name for folder in ("unit", "guest", "system", "fuzz", "model") for path in glob.glob(f"tests/{folder}/**/*.*", recursive=True)
              if path.endswith((".c", ".h", ".py", ".pml")) for name in re.findall(r"\b[A-Z]\d{1,2}\b", read(path))}
    assert len(named) > 40 and named - quoted == UNSEEN


# ------------------------------------------------------------------ front-ends

def test_a_front_end_asks_its_kernel_for_a_dozen_callbacks_at_most():
    """What its operating system has to have, and what it tells it of."""
    found = {name for header in ("os", "net", "blk") for name in re.findall(r"^\t[\w *]+\(\*(\w+)\)\(.*;", read(f"protocols/front/{header}.h"), re.M)}
    assert {"grant", "event_send", "pages_alloc", "received", "done"} <= found and len(found) <= 12, found
