# SPDX-License-Identifier: MIT
"""The core's sources on the host: each CUnit program in build/unit passes."""
import os
import subprocess

import pytest

from hostprograms import environment, programs_in
from machine import PATIENCE

UNIT = programs_in("build/unit")


@pytest.mark.parametrize("program", UNIT or [None], ids=lambda path: os.path.basename(path or "none"))
def test_unit(program):
    assert program, "there are no unit tests in build/unit"
    result = subprocess.run([program], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=600 * PATIENCE,
                            env=environment(), text=True, errors="replace")
    assert result.returncode == 0, result.stdout[-4000:]
