# SPDX-License-Identifier: MIT
"""Random hypercalls by hostile guests, an oracle after each: FUZZ_SECONDS, shared by the fuzzers in build/fuzz."""
import os
import subprocess

import pytest

from hostprograms import environment, programs_in
from machine import PATIENCE

FUZZERS = programs_in("build/fuzz")
# The same inputs for the same core, so that what fails is the change's doing. `make fuzz` tries new ones each time.
SEED = 1
SECONDS = int(os.environ.get("FUZZ_SECONDS", "60")) // max(1, len(FUZZERS))


@pytest.mark.parametrize("program", FUZZERS or [None], ids=lambda path: os.path.basename(path or "none"))
def test_fuzz(program):
    assert program, "there are no fuzzers in build/fuzz"
    corpus = program + ".corpus"
    os.makedirs(corpus, exist_ok=True)
    result = subprocess.run([program, f"-seed={SEED}", f"-max_total_time={SECONDS}", f"-artifact_prefix={program}.", corpus],
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=SECONDS + 300 * PATIENCE,
                            env=environment(), text=True, errors="replace")
    assert result.returncode == 0, result.stdout[-4000:]
