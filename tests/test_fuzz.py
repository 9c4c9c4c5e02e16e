# SPDX-License-Identifier: MIT
"""
Random hypercalls by hostile guests, an oracle after each, for FUZZ_SECONDS; and the other fuzzers in build/fuzz, which share as many among them.
"""
import os
import subprocess

import pytest

from hostprograms import environment, programs_in
from machine import PATIENCE

FUZZERS = programs_in("build/fuzz")
# The same inputs for the same core, so that what fails is the change's doing. `make fuzz` tries new ones each time.
SEED = 1
SECONDS = int(os.environ.get("FUZZ_SECONDS", "60"))
CORE = "build/fuzz/hypercalls"


@pytest.mark.parametrize("program", FUZZERS or [None], ids=lambda path: os.path.basename(path or "none"))
def test_fuzz(program):
    assert program, "there are no fuzzers in build/fuzz"
    corpus = program + ".corpus"
    os.makedirs(corpus, exist_ok=True)
    seconds = SECONDS if program == CORE else max(1, SECONDS // max(1, len(FUZZERS) - 1))
    result = subprocess.run([program, f"-seed={SEED}", f"-max_total_time={seconds}", f"-artifact_prefix={program}.", corpus],
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=seconds + 300 * PATIENCE,
                            env=environment(), text=True, errors="replace")
    assert result.returncode == 0, result.stdout[-4000:]
