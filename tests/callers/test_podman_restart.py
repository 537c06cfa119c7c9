#!/usr/bin/env python3
"""A container with published ports that starts again and again, at once: no port is busy because the pasta before has not ended yet."""
import os
import sys
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "support"), os.path.join(HERE, "..", "guest")]
import debian13
from hosts import wait_until
from test_podman import SERVE, Engine

TIMES = 50
PORTS = ("-p", "8080:80", "-p", "8080:80/udp")


class Restart(Engine, unittest.TestCase):
    def test_by_itself(self):
        self.podman("run", "-d", "--name", "again", "--restart", "always", *PORTS, "box", "sleep", "0.1")
        wait_until(lambda: int(self.podman("inspect", "--format", "{{.RestartCount}}", "again")) >= TIMES, f"{TIMES} starts", 200)

    def test_when_it_is_told(self):
        self.podman("run", "-d", "--name", "again", *PORTS, "box", *SERVE)
        for _ in range(TIMES):
            self.podman("restart", "-t", "0", "again")
        wait_until(lambda: len(self.daemons()) == 1, "end of all daemons but one")
        self.assert_served(8080)


if __name__ == "__main__":
    debian13.main()
