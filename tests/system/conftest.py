# SPDX-License-Identifier: MIT
"""One Dom0 for the modules that need no machine of their own: to start and end one takes as long as ten of their tests."""
import os

import pytest

from dom0 import Dom0, image_with, nobody_ends


@pytest.fixture(scope="session")
def shared_machine():
    from test_refusals import HOST, SOME_OF_BAD
    files = {f"refused/{kind}/{os.path.basename(path)}": path for kind, paths in (("host", HOST), ("bad", SOME_OF_BAD)) for path in paths}
    # It stands still while other modules have their turns, and ends with the last of them.
    with Dom0("shared", smp="2", limit=5400, image=image_with("shared", {**files, "refused/empty": os.devnull})) as machine:
        yield machine.log_in()
        machine.end()


@pytest.fixture(scope="module")
def shared_dom0(shared_machine):
    """Without guests, before and after."""
    yield shared_machine
    shared_machine.check("skink destroy --all > /dev/null", 120)
    nobody_ends(shared_machine)
