# SPDX-License-Identifier: MIT
"""What a machine can see in the sources is as STYLE says: `make lint`, as one test."""
import subprocess
import sys

from machine import PATIENCE


def test_lint():
    result = subprocess.run([sys.executable, "-B", "tests/lint/lint.py"], stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT, text=True, timeout=600 * PATIENCE)
    print(result.stdout)
    assert result.returncode == 0, "\n".join(line for line in result.stdout.splitlines() if "lint:" in line)
