# SPDX-License-Identifier: MIT
"""skink(1) on this machine, against a daemon that is scripted."""
import functools
import os
import sys

import pytest

sys.path.insert(0, os.path.dirname(__file__))

import command  # noqa: E402
from fake_skinkd import FakeSkinkd  # noqa: E402


@pytest.fixture
def skinkd(tmp_path):
    # Not below tmp_path's long name: a socket's may have 107 characters.
    path = os.path.join("/tmp", f"skink-test-{os.getpid()}.sock")
    daemon = FakeSkinkd(path)
    yield daemon
    daemon.close()


@pytest.fixture
def skink(skinkd):
    return functools.partial(command.run, skinkd.path)
