# SPDX-License-Identifier: MIT
"""dom0/image/play.sh: what `make run` does where nobody sits at the console."""
import subprocess

import pytest

from machine import PATIENCE

PLAY = "dom0/image/play.sh"


def play(tmp_path, command):
    """(exit code, what was shown, what was kept)"""
    log = tmp_path / "log"
    done = subprocess.run([PLAY, str(log), "sh", "-c", command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60 * PATIENCE, check=False)
    return done.returncode, done.stdout, log.read_text()


@pytest.mark.parametrize("code", (0, 3))
def test_the_exit_code_is_the_tours(tmp_path, code):
    said = f"booting\ntour: exit code {code}\n"
    assert play(tmp_path, f"printf '{said}'; exit 7") == (code, said, said)


def test_a_machine_that_does_not_come_to_the_end_of_the_tour_has_failed(tmp_path):
    assert play(tmp_path, "echo booting; exit 0") == (1, "booting\n", "booting\n")


def test_a_machine_that_is_left_at_its_shell_is_switched_off(tmp_path):
    code, shown, _ = play(tmp_path, "echo 'tour: exit code 0'; read line; echo \"asked to: $line\"")
    assert code == 0 and shown.endswith("asked to: poweroff\n")


def test_what_was_kept_of_another_machine_is_gone(tmp_path):
    (tmp_path / "log").write_text("tour: exit code 0\n")
    assert play(tmp_path, "echo booting")[0] == 1
