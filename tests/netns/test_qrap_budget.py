#!/usr/bin/env python3
"""qrap is small and starts fast: it is in the way of every start of a guest, and of every question that libvirt has for QEMU."""
import os
import shutil
import subprocess
import sys
import tempfile
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import cleanup
import netns_test
import qrap_world

LARGEST = 200_000       # octets, stripped
LONGEST = 0.005         # seconds, from the call of posix_spawn to the end of a process that finds no socket
ROUNDS = 200


def shortest_run(program):
    """The best of many: what the program needs, and not what else this machine does meanwhile."""
    environment = {"PASST_SOCKET": "/nonexistent/socket"}
    quiet = [(os.POSIX_SPAWN_OPEN, 2, "/dev/null", os.O_WRONLY, 0)]
    durations = []
    for _ in range(ROUNDS):
        begin = time.perf_counter()
        _, status = os.waitpid(os.posix_spawn(program, [program, "-S"], environment, file_actions=quiet), 0)
        durations.append(time.perf_counter() - begin)
        assert os.waitstatus_to_exitcode(status) == 1, status
    return min(durations)


@unittest.skipIf(netns_test.SANITIZED, "sanitizers make programs large and slow")
class Budget(unittest.TestCase):
    @netns_test.needs("strip")
    def test_size(self):
        directory = tempfile.mkdtemp(prefix="tapioca-qrap-")
        cleanup.at_exit(shutil.rmtree, directory, True)
        stripped = os.path.join(directory, "qrap")
        subprocess.run(["strip", "-o", stripped, qrap_world.binary()], check=True)
        size = os.path.getsize(stripped)
        print(f"{size} octets stripped", file=sys.stderr)
        self.assertLess(size, LARGEST)

    def test_start(self):
        duration = shortest_run(qrap_world.binary())
        print(f"{duration * 1000:.2f} ms from start to end", file=sys.stderr)
        self.assertLess(duration, LONGEST)

    @netns_test.needs("ldd")
    def test_libraries(self):
        """None of the daemon's: the C++ library and what it stands on."""
        out = subprocess.run(["ldd", qrap_world.binary()], capture_output=True, text=True, check=True).stdout
        libraries = {line.split()[0].rsplit("/", 1)[-1].split(".")[0].split("-")[0] for line in out.splitlines() if ".so" in line}
        self.assertLessEqual(libraries, {"linux", "ld", "libstdc++", "libgcc_s", "libc", "libm"})


if __name__ == "__main__":
    netns_test.main()
