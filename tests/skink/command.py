# SPDX-License-Identifier: MIT
"""skink(1) as a child process: with pipes, or on a terminal of its own."""
import os
import pty
import re
import select
import signal
import struct
import subprocess
import fcntl
import termios
import time

# The command with AddressSanitizer and UndefinedBehaviorSanitizer; the plain one is what Dom0 gets.
CHECKED = os.path.abspath("build/dom0/skink-checked")
PLAIN = os.path.abspath("build/dom0/skink")
PATIENCE = float(os.environ.get("PATIENCE", "1"))
LIMIT = 30 * PATIENCE
# Behind all that the child has said.
LAST = "<that was all>"


def environment(socket, **more):
    env = {key: value for key, value in os.environ.items() if key not in ("NO_COLOR", "SKINK_SOCKET")}
    env.update({"SKINK_SOCKET": socket, "TERM": "xterm", "LC_ALL": "C.UTF-8", "TZ": "UTC",
                "ASAN_OPTIONS": "detect_leaks=1:abort_on_error=0:exitcode=99",
                "UBSAN_OPTIONS": "halt_on_error=1:print_stacktrace=1:exitcode=99"})
    env.update(more)
    return env


class Result:
    def __init__(self, code, out, err):
        self.code, self.out, self.err = code, out, err

    def __repr__(self):
        return f"exit code {self.code}\n--- out\n{self.out}--- err\n{self.err}"


def run(socket, *arguments, program=CHECKED, typed="", cwd=None, **env):
    """From start to end, with pipes. Negative codes are signals."""
    done = subprocess.run([program, *arguments], input=typed.encode(), stdout=subprocess.PIPE, cwd=cwd,
                          stderr=subprocess.PIPE, env=environment(socket, **env), timeout=LIMIT)
    result = Result(done.returncode, done.stdout.decode("utf-8", "replace"), done.stderr.decode("utf-8", "replace"))
    assert "Sanitizer" not in result.err and "runtime error" not in result.err, result
    return result


def start(socket, *arguments, **env):
    return subprocess.Popen([CHECKED, *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, env=environment(socket, **env))


def until(condition, what="it"):
    end = time.monotonic() + LIMIT
    while not condition():
        assert time.monotonic() < end, f"{what} did not come about in {LIMIT} s"
        time.sleep(0.01)


class Terminal:
    """skink on a pseudo-terminal of 24 lines and 80 columns, whose settings can be looked at."""

    def __init__(self, socket, *arguments, columns=80, **env):
        self.master, self.slave = pty.openpty()
        fcntl.ioctl(self.slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        self.found = termios.tcgetattr(self.slave)
        self.text, self.seen = "", 0
        self.child = subprocess.Popen([CHECKED, *arguments], stdin=self.slave, stdout=self.slave, stderr=self.slave,
                                      env=environment(socket, **env), start_new_session=True,
                                      preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.child.poll() is None:
            self.child.kill()
        self.child.wait()
        os.close(self.master)
        os.close(self.slave)

    def _read(self, seconds):
        if select.select([self.master], [], [], seconds)[0]:
            self.text += os.read(self.master, 65536).decode("utf-8", "replace")
            return True
        return False

    def expect(self, pattern):
        end = time.monotonic() + LIMIT
        while True:
            found = re.search(pattern, self.text[self.seen:], re.DOTALL)
            if found:
                self.seen += found.end()
                return found
            assert time.monotonic() < end, f"no '{pattern}' in:\n{self.text!r}"
            self._read(0.1)

    def type(self, text):
        os.write(self.master, text.encode())

    def is_raw(self):
        return not termios.tcgetattr(self.slave)[3] & termios.ICANON

    def is_as_found(self):
        return termios.tcgetattr(self.slave) == self.found

    def end(self):
        """Its exit code, when all that it printed has been read."""
        end = time.monotonic() + LIMIT
        while self.child.poll() is None:
            self._read(0.05)
            assert time.monotonic() < end, f"skink does not end:\n{self.text!r}"
        # The kernel passes on what the child has written when it has time for it: it is all here when what was written after it is.
        while self._read(0):
            pass
        os.write(self.slave, LAST.encode())
        self.expect(LAST)
        self.text = self.text.removesuffix(LAST)
        assert "Sanitizer" not in self.text and "runtime error" not in self.text, self.text
        return self.child.returncode


def interrupt(child, number=signal.SIGINT):
    """Signal it; its result."""
    child.send_signal(number)
    out, err = child.communicate(timeout=LIMIT)
    return Result(child.returncode, out.decode(), err.decode())
