#!/usr/bin/env python3
"""What must not make the daemon spin: a tap that the guest removes, no descriptors left for connections that wait."""
import os
import subprocess
import sys
import time
import unittest
import unittest.mock

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import cleanup
import netns_test
from guests import OnSimulatedHost, connected_guest
from hosts import HOST4, PYTHON


def busy(pid, seconds=1.0):
    """The share of one processor that a process uses."""
    def used():
        with open(f"/proc/{pid}/stat") as f:
            fields = f.read().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    before = used()
    time.sleep(seconds)
    return (used() - before) / seconds


class Faults(OnSimulatedHost, unittest.TestCase):
    def test_the_guest_removes_the_tap(self):
        for workers in (1, 2):
            with self.subTest(workers=workers):
                guest, daemon = connected_guest(self.host, "--workers", workers, "-I", "tap0")
                guest.run("ip", "link", "del", "tap0")
                self.assertLess(busy(daemon.pid), 0.3)
                self.assertIn("Couldn't use the tap device", daemon.log())
                self.assertEqual(daemon.stop(), 0)
                guest.close()

    def test_no_descriptor_is_left_for_connections_that_wait(self):
        poor = f"{self.host.dir}/poor_pasta"
        with open(poor, "w") as script:
            script.write(f'#!/bin/sh\nulimit -n 48\nexec {self.host.binary()} "$@"\n')
        os.chmod(poor, 0o755)
        with unittest.mock.patch.object(self.host, "binary", lambda: poor):
            guest, daemon = connected_guest(self.host, ports=("-t", "8000", "-u", "none", "-T", "none", "-U", "none"))
        server = guest.popen(PYTHON, "-c", "import socket, time\ns = socket.create_server(('', 8000), backlog=200)\n"
                             "print('listening', flush=True)\ntime.sleep(60)\n", stdout=-1)
        self.addCleanup(cleanup.end_process, server)
        self.assertEqual(server.stdout.readline(), "listening\n")
        flood = ("import socket, sys, time\n"
                 "all = [socket.socket() for _ in range(100)]\n"
                 "for s in all: s.setblocking(False); s.connect_ex((sys.argv[1], 8000))\n"
                 "time.sleep(1)\n"
                 "refused = sum(s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) != 0 for s in all)\n"
                 "print(refused, flush=True)\n"
                 "time.sleep(2)\n")
        client = subprocess.Popen(self.host.in_remote(PYTHON, "-c", flood, HOST4), stdout=subprocess.PIPE, text=True)
        try:
            self.assertGreaterEqual(int(client.stdout.readline()), 60)
            self.assertLess(busy(daemon.pid), 0.3)
        finally:
            client.kill()
            client.wait()
        status = daemon.stop()
        if not netns_test.SANITIZED:    # whose look for leaks at the end needs descriptors
            self.assertEqual(status, 0, daemon.log())
        guest.close()


if __name__ == "__main__":
    netns_test.main()
