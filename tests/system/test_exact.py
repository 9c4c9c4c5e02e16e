# SPDX-License-Identifier: MIT
"""A case of a campaign that is recorded once and replayed twice, to the byte: make test-full."""
import os
import shutil
import sys

import pytest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "campaign"))
import judge  # noqa: E402
import plan as plans  # noqa: E402
from campaign import Campaign, recording_of  # noqa: E402

pytestmark = pytest.mark.skipif(os.environ.get("SKINK_FULL") != "1", reason="minutes: make test-full")
NAME = "test-exact"


@pytest.mark.parametrize("identity", ["net0/crash/106200001", "disk0/hang/196600000"])
def test_a_fault_comes_again_with_all_that_came_of_it(identity):
    recording = recording_of(NAME, identity)
    shutil.rmtree(recording.folder, ignore_errors=True)
    # Whatever the machine says otherwise in a replay ends this.
    Campaign(plans.read("tests/campaign/plans/smoke.toml"), NAME, None).exactly(plans.case_of(identity), 3)
    told = recording.read().told
    assert told["replays"] == 2 and told["record"]["injected"]["activated"] and told["record"]["seen"]["restarts"] == 1, told["record"]
    assert told["record"]["outcome"] in (judge.RECOVERED, judge.SLOWLY), told["record"]["why"]
