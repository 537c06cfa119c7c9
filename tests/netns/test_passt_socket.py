#!/usr/bin/env python3
"""passt's socket: which one it listens on or inherits, who may have it, and when the end of a client is its own."""
import os
import resource
import signal
import socket
import stat
import subprocess
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import netns_test
from guests import OnSimulatedHost
from hosts import HOST4, REMOTE4, ROUTER4, USER, SimulatedHost, wait_until
from inside import remote_place, settled
from passt import Passt, pair, private_tmp

netns_test.needs_module("scapy")
from stream_client import TCP, Closed, StreamClient, arp_request, ip, is_arp_reply


def cpu_seconds(pid):
    with open(f"/proc/{pid}/stat") as f:
        user, system = f.read().rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


class Socket(OnSimulatedHost, unittest.TestCase):
    def assert_serves(self, connection):
        client = StreamClient(connection)
        self.addCleanup(client.close)
        self.assertIsNotNone(client.ask(arp_request(ROUTER4, HOST4), is_arp_reply))
        return client

    def refusal(self, *options, uid=USER):
        done = self.host.run(self.host.binary("passt"), "-f", *options, uid=uid, check=False)
        self.assertEqual(done.returncode, 1, done.stderr)
        return done.stderr

    # ---- a path of the caller's choice

    def test_a_path_that_is_in_use_is_refused(self):
        daemon = Passt(self.host)
        self.assertIn(f"Socket path {daemon.path} already in use", self.refusal("-s", daemon.path))
        client = self.assert_serves(daemon.path)
        self.assertIn(f"Socket path {daemon.path} already in use", self.refusal("--socket-path", daemon.path))
        self.assertIsNotNone(client.ask(arp_request(ROUTER4, HOST4), is_arp_reply))
        self.assertEqual(daemon.stop(), 0)

    def test_what_a_dead_daemon_left_is_replaced(self):
        first = Passt(self.host)
        first.process.kill()
        first.process.wait()
        self.assertTrue(os.path.exists(first.path))
        second = Passt(self.host, path=first.path)
        self.assert_serves(second.path)
        self.assertEqual(second.stop(), 0)
        self.assertTrue(os.path.exists(first.path), "whoever chose the path removes it")

    def test_what_is_no_socket_is_not_replaced(self):
        for make in (lambda path: open(path, "w").write("precious"), os.mkdir, os.mkfifo, lambda path: os.symlink("/etc/passwd", path)):
            path = f"{self.host.dir}/precious{time.monotonic_ns()}"
            make(path)
            before = os.lstat(path)
            self.assertIn("already in use", self.refusal("-s", path))
            after = os.lstat(path)
            for what in ("st_ino", "st_mode", "st_size", "st_mtime_ns"):    # following a link is noted as access
                self.assertEqual(getattr(after, what), getattr(before, what))

    def test_a_path_that_cannot_be_is_refused(self):
        self.assertIn("Invalid socket path", self.refusal("-s", f"{self.host.dir}/{'x' * 108}"))
        self.assertNotEqual(self.refusal("-s", f"{self.host.dir}/nowhere/socket"), "")
        self.assertIn("is for passt / vhost-user mode only", self.host.run(self.host.binary(), "-s", f"{self.host.dir}/s", uid=USER, check=False).stderr)

    def test_the_longest_path_is_good(self):
        path = f"{self.host.dir}/".ljust(107, "x")
        daemon = Passt(self.host, path=path)
        self.assert_serves(daemon.path)
        daemon.stop()

    def test_the_umask_says_who_may_connect(self):
        for umask, mode in ((0o022, 0o755), (0o077, 0o700)):
            path = f"{self.host.dir}/umask{umask}"
            process = self.host.popen("sh", "-c", f'umask {umask:o}; exec "$@"', "sh", self.host.binary("passt"), "-f", "-s", path, uid=USER,
                                      stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            wait_until(lambda path=path: os.path.exists(path), "socket")
            self.assertEqual(stat.S_IMODE(os.stat(path).st_mode), mode)
            process.terminate()
            process.wait()

    # ---- the path that passt finds by itself

    def test_without_a_path_the_first_free_one_is_taken(self):
        host = SimulatedHost()
        self.addCleanup(host.close)
        tmp = private_tmp(host)
        daemons = [Passt(host, path=None) for _ in range(3)]
        for number, daemon in enumerate(daemons, 1):
            self.assertIn(f"UNIX domain socket bound at /tmp/passt_{number}.socket\n", daemon.log())
            self.assert_serves(f"{tmp}/passt_{number}.socket")
        self.assertEqual(daemons[1].stop(), 0)
        again = Passt(host, path=None)
        self.assertIn("UNIX domain socket bound at /tmp/passt_2.socket\n", again.log())
        for daemon in (daemons[0], daemons[2], again):
            self.assertEqual(daemon.stop(), 0)

    # ---- when no descriptor is left

    def test_whoever_comes_then_does_not_keep_it_busy(self):
        server = remote_place(self.host).bound(REMOTE4, 8099, backlog=4096)
        self.addCleanup(server.close)
        path = f"{self.host.dir}/short.socket"
        process = self.host.popen("sh", "-c", 'ulimit -n 64; exec "$@"', "sh", self.host.binary("passt"), "-f", "-q", "-s", path, uid=USER)
        wait_until(lambda: os.path.exists(path), "socket")
        client = wait_until(lambda: self.try_client(path), "service")
        for port in range(1000, 1100):
            client.send(bytes(ip(HOST4, REMOTE4) / TCP(sport=port, dport=8099, flags="S", seq=1)))
        self.assertGreater(settled(lambda: len(os.listdir(f"/proc/{process.pid}/fd")), "connections"), 32, "the guest's share is used up")
        with StreamClient(path) as second:
            before = cpu_seconds(process.pid)
            self.assertTrue(second.wait_for_close(), "it is not turned away")
            time.sleep(1)
            self.assertLess(cpu_seconds(process.pid) - before, 0.5)
        client.close()
        wait_until(lambda: self.try_client(path), "service").close()
        process.terminate()
        status = process.wait(5)
        if not netns_test.SANITIZED:    # which looks at memory by way of pipes, and finds no descriptor for them
            self.assertEqual(status, 0)

    # ---- a descriptor of the caller

    def test_an_inherited_descriptor_of_any_number(self):
        for number in (0, 1, 2, 3, 9):
            with self.subTest(number=number):
                ours, theirs = pair()
                daemon = Passt(self.host, "--quiet", connected=theirs, number=number)
                theirs.close()
                client = StreamClient(ours)
                self.assertIsNotNone(client.receive(), "the guest is looked for at once")
                self.assertIsNotNone(client.ask(arp_request(ROUTER4, HOST4), is_arp_reply))
                self.assertIsNone(daemon.process.poll())
                client.close()
                self.assertEqual(daemon.process.wait(5), 0, daemon.log())

    def test_no_other_descriptor_is_kept(self):
        ours, theirs = pair()
        stranger, kept = pair()
        daemon = Passt(self.host, connected=theirs, number=9, also=(kept.fileno(),))
        theirs.close()
        kept.close()
        stranger.settimeout(2)
        self.assertEqual(stranger.recv(1), b"", "somebody still holds the other end")
        ours.close()
        self.assertEqual(daemon.process.wait(5), 0)

    def test_a_descriptor_that_is_none_is_refused(self):
        for number in ("77", "x", "-1", ""):
            with self.subTest(number=number):
                self.assertNotEqual(self.refusal("--fd", number), "")

    def test_a_descriptor_in_the_background(self):
        """As QEMU starts it: the parent's end means that it serves, and the file says who."""
        ours, theirs = pair()
        pid_path = f"{self.host.dir}/background.pid"
        Passt.run_in_background(self.host, "--quiet", "--pid", pid_path, connected=theirs)
        theirs.close()
        with open(pid_path) as f:
            pid = int(f.read())
        client = self.assert_serves(ours)
        client.close()
        wait_until(lambda: not os.path.exists(f"/proc/{pid}"), "end of the daemon", 5)

    # ---- whose end is whose

    def test_one_off_ends_with_its_client(self):
        for option in ("-1", "--one-off"):
            daemon = Passt(self.host, option)
            client = self.assert_serves(daemon.path)
            client.close()
            self.assertEqual(daemon.process.wait(5), 0, daemon.log())

    def test_without_it_the_next_client_is_served(self):
        daemon = Passt(self.host)
        for _ in range(3):
            client = wait_until(lambda: self.try_client(daemon.path), "service")
            client.close()
        self.assertIsNone(daemon.process.poll())
        self.assertEqual(daemon.stop(), 0)

    def test_the_next_client_may_come_before_the_last_ones_end_is_seen(self):
        """Both are news of one wake-up then, in either order: the socket is free."""
        daemon = Passt(self.host)
        for _ in range(3):
            with self.assert_serves(daemon.path) as last:
                daemon.process.send_signal(signal.SIGSTOP)
                last.send(arp_request(ROUTER4, HOST4))
            after = StreamClient(daemon.path)
            daemon.process.send_signal(signal.SIGCONT)
            with after:
                self.assertIsNotNone(after.ask(arp_request(ROUTER4, HOST4), is_arp_reply))
        self.assertEqual(daemon.stop(), 0)

    def try_client(self, path):
        """A served client, or None while the end of the last one is not noticed."""
        try:
            client = StreamClient(path)
        except ConnectionError:     # bound, and not listening yet
            return None
        try:
            if client.receive() is not None:
                return client
        except (Closed, ConnectionError):
            pass
        client.close()
        return None

    def test_standard_streams_closed_by_the_caller_are_tolerated(self):
        path, pid_path = f"{self.host.dir}/closed.socket", f"{self.host.dir}/closed.pid"
        process = self.host.popen("sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", self.host.binary("passt"), "-f", "-s", path, "--pid", pid_path, uid=USER)
        wait_until(lambda: os.path.exists(pid_path) and os.path.getsize(pid_path), "PID file")
        self.assert_serves(path)
        process.terminate()
        self.assertEqual(process.wait(5), 0)


if __name__ == "__main__":
    netns_test.main()
