#!/usr/bin/env python3
"""Attaching to a namespace that exists, in every form; the background; the end of the daemon and of the namespace."""
import os
import pathlib
import signal
import subprocess
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import netns_test
from guests import NO_PORTS, Daemon, Guest, NamedGuest, OnServingHost
from hosts import HOST4, PYTHON, REMOTE4, REMOTE6, USER, wait_until


class Attach(OnServingHost, unittest.TestCase):
    def guest(self, uid=USER):
        guest = Guest(self.host, uid)
        self.addCleanup(guest.close)
        return guest

    def assert_connected(self, guest):
        client = f"{self.host.dir}/client.py"
        for address in (REMOTE4, REMOTE6):
            self.assertIn('"equal": true', guest.run(PYTHON, client, "download", address, "100000").stdout)

    def uids_of(self, pid):
        status = pathlib.Path(f"/proc/{pid}/status").read_text()
        return next(line for line in status.splitlines() if line.startswith("Uid:")).split()[1:]

    def bound(self, guest, path):
        """The guest's network namespace under a path, as container engines keep it."""
        self.host.run("touch", path)
        self.addCleanup(lambda: os.path.exists(path) and os.unlink(path))
        self.host.run("mount", "--bind", f"/proc/{guest.pid}/ns/net", path)

    def test_by_process(self):
        guest = self.guest()
        daemon = Daemon(guest)
        self.assert_connected(guest)
        self.assertEqual(daemon.stop(), 0)

    def test_by_path(self):
        guest = self.guest()
        path = f"{self.host.dir}/net-by-path"
        self.bound(guest, path)
        daemon = Daemon(guest, "--netns", path, "--userns", f"/proc/{guest.pid}/ns/user", target=())
        self.assert_connected(guest)
        self.host.run("umount", "-l", path)
        os.unlink(path)
        self.assertEqual(daemon.process.wait(5), 0)

    def test_by_name(self):
        guest = self.guest()
        name = f"tn{os.getpid()}named"
        self.bound(guest, f"/run/netns/{name}")
        daemon = Daemon(guest, "--netns", name, "--userns", f"/proc/{guest.pid}/ns/user", target=())
        self.assert_connected(guest)
        self.assertEqual(daemon.stop(), 0)

    def test_root_attaches_as_nobody(self):
        guest = NamedGuest(self.host)
        daemon = Daemon(guest, "--netns", guest.name, target=(), uid=None)
        self.assertEqual(set(self.uids_of(daemon.pid)), {"65534"})
        self.assert_connected(guest)
        guest.close()
        self.assertEqual(daemon.process.wait(5), 0)

    def test_root_attaches_as_whom_it_is_told(self):
        guest = self.guest()
        daemon = Daemon(guest, "--runas", f"{USER}:{USER}", uid=None)
        self.assertEqual(set(self.uids_of(daemon.pid)), {str(USER)})
        self.assert_connected(guest)
        self.assertEqual(daemon.stop(), 0)

    def test_it_ends_when_the_process_of_the_namespace_ends(self):
        guest = self.guest()
        daemon = Daemon(guest)
        guest.close()
        self.assertEqual(daemon.process.wait(5), 0)

    def test_both_polite_signals_end_it_with_0(self):
        for number in (signal.SIGTERM, signal.SIGQUIT):
            with self.subTest(signal=number.name):
                guest = self.guest()
                daemon = Daemon(guest)
                os.kill(daemon.pid, number)
                self.assertEqual(daemon.process.wait(5), 0)
                self.assertNotIn("eth0", guest.run("ip", "link").stdout)

    def in_background(self, guest, *options):
        """Starts a daemon in the background; its PID, and what it said. Returning at all means that it let go of both pipes."""
        pid_file = f"{self.host.dir}/background{time.monotonic_ns()}.pid"
        done = self.host.run(self.host.binary(), "-q", "--config-net", "--pid", pid_file, *NO_PORTS, *options, guest.pid, uid=USER, timeout=20)
        pid = int(pathlib.Path(pid_file).read_text())
        self.addCleanup(lambda: os.path.exists(f"/proc/{pid}") and os.kill(pid, signal.SIGKILL))
        return pid, pid_file, done.stdout + done.stderr

    def test_the_background_is_ready_when_the_parent_returns(self):
        guest = self.guest()
        pid, pid_file, said = self.in_background(guest)
        self.assertEqual(said, "")
        self.assertIn(HOST4, guest.run("ip", "addr", "show", "dev", "eth0", "up").stdout)
        self.assertEqual(pathlib.Path(pid_file).read_text(), f"{pid}\n")
        self.assertEqual(os.stat(pid_file).st_mode & 0o777, 0o600)
        self.assertEqual({os.readlink(f"/proc/{pid}/fd/{n}") for n in range(3)}, {"/dev/null"})
        self.assert_connected(guest)
        os.kill(pid, signal.SIGTERM)
        wait_until(lambda: not os.path.exists(f"/proc/{pid}/fd/0"), "end of the daemon", 5)

    def test_the_background_ends_with_the_namespace(self):
        guest = self.guest()
        pid, _, _ = self.in_background(guest)
        guest.close()
        wait_until(lambda: not os.path.exists(f"/proc/{pid}/fd/0"), "end of the daemon", 5)

    def test_no_descriptor_of_the_caller_survives(self):
        guest = self.guest()
        reader, writer = os.pipe()
        argv = self.host.argv([self.host.binary(), "-q", "--config-net", *NO_PORTS, guest.pid], USER)
        subprocess.run(argv, pass_fds=[writer], check=True, timeout=20, env=self.host.environment())
        os.close(writer)
        os.set_blocking(reader, False)
        self.assertEqual(os.read(reader, 1), b"")
        os.close(reader)

    def test_closed_standard_descriptors_do_no_harm(self):
        guest = self.guest()
        self.host.run("sh", "-c", f"exec {self.host.binary()} -q --config-net -t none -u none -T none -U none {guest.pid} <&- >&- 2>&-", uid=USER)
        self.assert_connected(guest)

    def test_start_up_that_fails_says_why(self):
        guest = self.guest()
        for words, message in ((["--pid", "/nonexistent/pid", guest.pid], "Couldn't open PID file"),
                               (["--netns", "/nonexistent/net"], "Couldn't open network namespace"),
                               (["-I", "a-name-much-too-long", guest.pid], "Invalid interface name"),
                               (["--netns", "/nonexistent", guest.pid], "Both --netns and PID or command given")):
            with self.subTest(words=words):
                done = self.host.run(self.host.binary(), "--config-net", *words, uid=USER, check=False)
                self.assertEqual(done.returncode, 1)
                self.assertIn(message, done.stderr)

    def test_no_netns_quit_outlives_the_path(self):
        guest = self.guest()
        path = f"{self.host.dir}/net-kept"
        self.bound(guest, path)
        daemon = Daemon(guest, "--no-netns-quit", "--netns", path, "--userns", f"/proc/{guest.pid}/ns/user", target=())
        self.host.run("umount", "-l", path)
        os.unlink(path)
        time.sleep(2)
        self.assertIsNone(daemon.process.poll())
        self.assertEqual(daemon.stop(), 0)


if __name__ == "__main__":
    netns_test.main()
