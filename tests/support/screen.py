"""A program on a terminal of our own: what it shows, and what the terminal is left like."""
import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time

CONTROL = re.compile(r"\033\[(\??[0-9;]*)([A-Za-z])")


class Screen:
    """As far as a page that is drawn from its upper left corner needs one."""

    def __init__(self, argv, columns, rows, **options):
        self.master, self.slave = pty.openpty()
        self.resize(columns, rows)
        self.before = termios.tcgetattr(self.slave)
        self.said = ""
        self.process = subprocess.Popen(argv, stdin=self.slave, stdout=self.slave, stderr=subprocess.PIPE, **options)

    def resize(self, columns, rows):
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        if hasattr(self, "process"):
            os.kill(self.process.pid, signal.SIGWINCH)  # it has no controlling terminal, whose kernel would do that

    def read(self, seconds):
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            if select.select([self.master], [], [], left)[0]:
                self.said += os.read(self.master, 65536).decode(errors="replace")

    def page(self):
        """The lines of the last page that was drawn as a whole, without colours."""
        pages = self.said.split("\033[H")
        whole = [p for p in pages if "\033[J" in p]
        return [CONTROL.sub("", line) for line in whole[-1].split("\033[J")[0].replace("\r", "").split("\n")]

    def wait_for(self, text, seconds=10):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.read(0.2)
            if "\033[J" in self.said and any(text in line for line in self.page()):
                return
        raise AssertionError(f"{text!r} is not shown:\n" + "\n".join(self.page()))

    def press(self, keys):
        os.write(self.master, keys)

    def end(self):
        """The exit status, when the program has ended."""
        deadline = time.monotonic() + 5
        while self.process.poll() is None and time.monotonic() < deadline:
            self.read(0.05)
        self.read(0.05)
        return self.process.wait(1)

    def is_restored(self):
        """Echo and lines are as before, the cursor is there, and so is the first screen."""
        return (termios.tcgetattr(self.slave) == self.before and self.said.rfind("\033[?25h") > self.said.rfind("\033[?25l")
                and self.said.rfind("\033[?1049l") > self.said.rfind("\033[?1049h"))

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.process.stderr.close()
        os.close(self.master)
        os.close(self.slave)
