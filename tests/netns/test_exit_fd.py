#!/usr/bin/env python3
"""--exit-fd: the program ends with whoever holds the other end of a descriptor; and what is gone when it has ended."""
import os
import select
import socket
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import netns_test
from guests import NO_PORTS, Guest, OnSimulatedHost
from hosts import HOST4, USER, wait_until
from inside import host_place
from passt import Passt
from test_lifecycle import is_alive
from test_resolver_watcher import both_of, is_there

SOON = 2    # seconds
WATCHES = ("--dns-forward", "192.0.2.100")  # who forwards queries has two processes beside it that read resolv.conf


class ExitDescriptor(OnSimulatedHost, unittest.TestCase):
    def start(self, number, *options, ports=NO_PORTS, keeps=()):
        """A pasta in the background, with that descriptor; returns its process id."""
        guest = self.guest()
        path = f"{self.host.dir}/{time.monotonic_ns()}.pid"
        process = self.host.popen(self.host.binary(), "-q", "--config-net", "--pid", path, *options, "--exit-fd", number, *ports, guest.pid,
                                  uid=USER, pass_fds=(number, *keeps), stderr=-1)
        _, said = process.communicate(timeout=30)
        self.assertEqual(process.returncode, 0, said)
        with open(path) as f:
            return int(f.read())

    def refused(self, number, *options, passed=()):
        guest = self.guest()
        done = self.host.run(self.host.binary(), "--exit-fd", number, *options, *NO_PORTS, guest.pid, uid=USER, check=False, pass_fds=passed)
        self.assertEqual(done.returncode, 1)
        return done.stderr

    def assert_ends(self, pid, by):
        self.assertTrue(is_alive(pid))
        by()
        wait_until(lambda: not is_alive(pid), "end of the daemon", SOON)

    def test_the_end_of_the_writer_of_a_pipe(self):
        """As conmon does it, which holds that end as long as the container lives."""
        reads, writes = os.pipe()
        pid = self.start(reads)
        os.close(reads)
        os.write(writes, b"what is said has no meaning")
        time.sleep(0.2)
        self.assert_ends(pid, lambda: os.close(writes))

    def test_the_end_of_the_reader_of_a_pipe(self):
        reads, writes = os.pipe()
        pid = self.start(writes)
        os.close(writes)
        self.assert_ends(pid, lambda: os.close(reads))

    def test_the_end_of_the_other_end_of_a_socket(self):
        ours, theirs = socket.socketpair()
        pid = self.start(theirs.fileno())
        theirs.close()
        self.assert_ends(pid, ours.close)

    def test_the_flags_of_a_pipe_that_others_share_stay(self):
        reads, writes = os.pipe()
        pid = self.start(reads)
        self.assertTrue(os.get_blocking(reads))
        self.assert_ends(pid, lambda: os.close(writes))
        os.close(reads)

    def test_a_pipe_whose_other_end_is_closed_already(self):
        reads, writes = os.pipe()
        os.close(writes)
        pid = self.start(reads)
        os.close(reads)
        wait_until(lambda: not is_alive(pid), "end of the daemon", SOON)

    def test_passt_ends_too(self):
        reads, writes = os.pipe()
        passt = self.host.popen(self.host.binary("passt"), "-f", "-q", "-s", f"{self.host.dir}/{time.monotonic_ns()}", "--exit-fd", reads, uid=USER, pass_fds=(reads,))
        os.close(reads)
        time.sleep(0.5)
        self.assertIsNone(passt.poll())
        os.close(writes)
        self.assertEqual(passt.wait(SOON), 0)

    def test_what_does_not_tell_is_refused(self):
        with open("/dev/null") as null:
            self.assertIn("a pipe or a connected UNIX socket is needed", self.refused(null.fileno(), passed=(null.fileno(),)))
        with socket.socket(socket.AF_UNIX) as unconnected:
            self.assertIn("a pipe or a connected UNIX socket is needed", self.refused(unconnected.fileno(), passed=(unconnected.fileno(),)))
        self.assertIn("no descriptor 77 was inherited", self.refused(77))
        self.assertIn("Invalid --exit-fd: 2", self.refused(2))

    def test_ports_and_helpers_are_gone_when_it_has_ended(self):
        """Asked the moment the process has gone, without a second try."""
        place = host_place(self.host)
        for _ in range(20):
            reads, writes = os.pipe()
            pid = self.start(reads, *WATCHES, ports=("-t", "8000-8049", "-u", "8000-8049", "-T", "none", "-U", "none"))
            os.close(reads)
            helpers = both_of(pid)
            end = os.pidfd_open(pid)
            os.close(writes)
            self.assertTrue(select.select([end], [], [], SOON)[0], "it has not ended")
            for port in (8000, 8025, 8049):
                for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
                    place.bound("", port, kind).close()
            self.assertEqual([role for role, helper in helpers.items() if is_there(helper)], [])
            os.close(end)


if __name__ == "__main__":
    netns_test.main()
