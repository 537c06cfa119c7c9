#!/usr/bin/env python3
"""Starts in surroundings that are not as they should be: nobody reads what is said."""
import contextlib
import os
import pathlib
import signal
import socket
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import netns_test
import qrap_world
from guests import NO_PORTS, OnSimulatedHost
from hosts import USER, wait_until
from passt import Passt

SIGNALS = "grep -E '^Sig(Blk|Ign):' /proc/self/status"


@contextlib.contextmanager
def unread():
    """A pipe that nobody reads any more."""
    reader, writer = os.pipe()
    os.close(reader)
    try:
        yield writer
    finally:
        os.close(writer)


class NobodyReads(OnSimulatedHost, unittest.TestCase):
    """Standard error, or output, is a pipe whose other end is closed: no message is worth the service."""

    def run_unread(self, *argv, stdout=subprocess.PIPE, program="pasta"):
        with unread() as pipe:
            return subprocess.run(self.host.argv([self.host.binary(program), *argv], USER), stdout=stdout, stderr=pipe, text=True, timeout=60,
                                  env=self.host.environment(), cwd=self.host.dir)

    def test_a_command_runs_and_has_signals_as_nobody_had_touched_them(self):
        done = self.run_unread("-d", "--config-net", *NO_PORTS, "--", "sh", "-c", SIGNALS)
        self.assertEqual(done.returncode, 0)
        self.assertEqual({int(line.split()[1], 16) for line in done.stdout.splitlines()}, {0}, done.stdout)

    def test_pasta_and_passt_come_up_in_the_background(self):
        guest = self.guest()
        for program, target in (("pasta", ["--config-net", *NO_PORTS, guest.pid]), ("passt", ["-s", f"{self.host.dir}/unread.socket"])):
            with self.subTest(program=program):
                path = f"{self.host.dir}/unread-{program}.pid"
                self.assertEqual(self.run_unread("-d", "--pid", path, *target, program=program).returncode, 0)
                pid = int(pathlib.Path(path).read_text())
                self.assertTrue(os.path.exists(f"/proc/{pid}"))
                os.kill(pid, signal.SIGTERM)
                wait_until(lambda: not os.path.exists(f"/proc/{pid}"), "end of the daemon")

    def test_what_ends_the_start_is_an_exit_status_and_no_signal(self):
        for words in (("--nosuch",), ("-t", "x"), ("--netns", "/nonexistent"), ("--config-net", "--", "/nonexistent/command"),
                      ("--config-net", "-d", "-t", "1", "--", "true")):
            with self.subTest(words=words):
                self.assertEqual(self.run_unread(*words).returncode, 1)

    def test_help_that_nobody_reads_is_no_failure(self):
        with unread() as pipe:
            for program in ("pasta", "passt"):
                self.assertEqual(self.run_unread("--help", program=program, stdout=pipe).returncode, 0)

    def test_qrap_goes_on_and_its_command_has_signals_as_nobody_had_touched_them(self):
        world = qrap_world.World()
        self.addCleanup(world.close)
        server = world.server("unread.socket", qrap_world.speak_first)
        with unread() as pipe:
            done = subprocess.run([world.tmp / "qrap", "5", "sh", "-c", SIGNALS], stdout=subprocess.PIPE, stderr=pipe, text=True, timeout=60,
                                  env={**os.environ, "PASST_SOCKET": str(server.path)})
            self.assertEqual((done.returncode, {int(line.split()[1], 16) for line in done.stdout.splitlines()}), (0, {0}), done.stdout)
            done = subprocess.run([world.tmp / "qrap", "-nic", "none"], stdout=subprocess.PIPE, stderr=pipe, timeout=60,
                                  env={"PATH": "/nonexistent", "PASST_SOCKET": "/nonexistent"})
            self.assertEqual(done.returncode, 1)


if __name__ == "__main__":
    netns_test.main()
