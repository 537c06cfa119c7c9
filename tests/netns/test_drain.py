#!/usr/bin/env python3
"""The end of the program: what the guest was told is delivered is delivered first, for a time that can be set, and nobody takes a part of a
stream for the whole."""
import os
import signal
import socket
import subprocess
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import netns_test
from guests import Daemon, Guest, NamedGuest, OnSimulatedHost, connected_guest
from hosts import HOST4, HOST6, REMOTE4, REMOTE6, USER, run, wait_until
from inside import Place, Task, exactly, guest_place, host_place, remote_place
from passt import Passt, RelayedGuest

PORT, IN, OUT = 9003, 9004, 9005
LITTLE, MUCH = 150_000, 3_000_000
PASTA_PORTS = ("-t", f"{IN}", "-u", "none", "-T", f"{OUT}", "-U", "none")


def outcome(s):
    """Reads to the end: how much came, and what the end was."""
    octets = 0
    try:
        while more := len(s.recv(1 << 16)):
            octets += more
        return octets, "end"
    except ConnectionResetError:
        return octets, "reset"


def read_later(listener, delay):
    listener.settimeout(20)
    with listener, listener.accept()[0] as s:
        s.settimeout(30)
        time.sleep(delay)
        return outcome(s)


class Commands(OnSimulatedHost):
    """`pasta -- COMMAND`, whose end is that of the program."""

    def upload(self, address, octets, delay, *options, status=0):
        """What a reader gets who begins after `delay`; and how long pasta lived on when the reader had not begun yet, or less."""
        reader = Task(read_later, remote_place(self.host).bound("", PORT), delay)
        script = f"head -c {octets} /dev/zero > /dev/tcp/{address}/{PORT}; exit {status}"
        start = time.monotonic()
        done = self.host.run(self.host.binary(), "--config-net", "--workers", self.workers, *options, "--", "bash", "-c", script, uid=USER, check=False)
        took = time.monotonic() - start
        self.assertEqual(done.returncode, status, done.stderr)
        return reader, took

    def test_a_slow_reader_gets_everything(self):
        for address in (REMOTE4, REMOTE6):
            for octets in (LITTLE, MUCH):
                with self.subTest(address=address, octets=octets):
                    reader, _ = self.upload(address, octets, 1.5, status=7)
                    self.assertEqual(reader.result(), (octets, "end"))

    def test_who_reads_too_late_sees_a_reset(self):
        for timeout, least, most in ((0, 0, 1.5), (1, 0.9, 3)):
            with self.subTest(timeout=timeout):
                reader, took = self.upload(REMOTE4, MUCH, 4, "--drain-timeout", timeout)
                self.assertGreater(took, least)
                self.assertLess(took, most)
                octets, how = reader.result()
                self.assertEqual(how, "reset")
                self.assertLess(octets, MUCH)

    def test_nothing_to_wait_for(self):
        """Also with connections that have ended, or never will."""
        for script in ("true", f"head -c 1000 /dev/zero > /dev/tcp/{REMOTE4}/{PORT}", f"exec 5<>/dev/tcp/{REMOTE4}/{PORT}; echo x >&5; sleep 0.3"):
            with self.subTest(script=script), remote_place(self.host).bound("", PORT):
                start = time.monotonic()
                self.host.run(self.host.binary(), "--config-net", "--workers", self.workers, "--drain-timeout", 30, "--", "bash", "-c", script, uid=USER)
                self.assertLess(time.monotonic() - start, 3)


class CommandsWithOneWorker(Commands, unittest.TestCase):
    workers = 1


class CommandsWithTwoWorkers(Commands, unittest.TestCase):
    workers = 2


class Daemons(OnSimulatedHost):
    """A pasta that is told to go, or whose namespace goes."""

    def start(self, *options):
        guest, daemon = connected_guest(self.host, "--workers", self.workers, *options, ports=PASTA_PORTS)
        self.addCleanup(guest.close)
        return guest, daemon

    def ends(self, client, address, port, server):
        """Both ends of a connection."""
        with server.bound(address if port == OUT else "", port) as listener:
            c = client.connected(address, port, timeout=30)
            listener.settimeout(5)
            s = listener.accept()[0]
        s.settimeout(30)
        self.addCleanup(c.close)
        self.addCleanup(s.close)
        return c, s

    def paths(self, guest):
        """Each way that a connection can take: who begins it, and whether the guest is the one who sends."""
        host, remote, inside = host_place(self.host), remote_place(self.host), guest_place(guest)
        return {"outbound4": (inside, REMOTE4, PORT, remote), "outbound6": (inside, REMOTE6, PORT, remote),
                "inbound4": (remote, HOST4, IN, inside), "inbound6": (remote, HOST6, IN, inside),
                "bypass in4": (host, "127.0.0.1", IN, inside), "bypass in6": (host, "::1", IN, inside),
                "bypass out4": (inside, "127.0.0.1", OUT, host), "bypass out6": (inside, "::1", OUT, host)}

    def of_guest(self, name, ends):
        """The same ends, with the guest's first."""
        return ends if "out" in name else tuple(reversed(ends))

    def terminated(self, daemon, within):
        daemon.process.terminate()
        self.assertEqual(daemon.process.wait(within), 0, daemon.log())

    def test_a_stream_that_the_guest_has_ended_arrives_whole(self):
        guest, daemon = self.start("--drain-timeout", 20)
        readers = {}
        for name, path in self.paths(guest).items():
            sender, receiver = self.of_guest(name, self.ends(*path))
            sender.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, MUCH)
            sender.sendall(bytes(LITTLE))
            sender.close()
            readers[name] = receiver
        daemon.process.terminate()
        time.sleep(1)
        for name, receiver in readers.items():
            with self.subTest(path=name):
                self.assertEqual(outcome(receiver), (LITTLE, "end"))
        self.assertEqual(daemon.process.wait(10), 0)

    def test_a_stream_that_the_guest_has_not_ended_is_reset(self):
        """At once: nobody knows how long it might go on."""
        guest, daemon = self.start("--drain-timeout", 20)
        all_ends = {name: self.ends(*path) for name, path in self.paths(guest).items()}
        for one, other in all_ends.values():
            one.sendall(b"question")
            self.assertEqual(exactly(other, 8), b"question")
        time.sleep(0.3)
        self.terminated(daemon, 2)
        for name, ends in all_ends.items():
            for end in ends if "bypass" in name else self.of_guest(name, ends)[1:]:
                with self.subTest(path=name):
                    self.assertEqual(outcome(end), (0, "reset"))

    def test_half_a_connection_may_have_ended(self):
        """Whose stream was complete sees no reset for it; the other side does."""
        guest, daemon = self.start("--drain-timeout", 20)
        for name, path in self.paths(guest).items():
            if "bypass" not in name:
                continue
            one, other = self.ends(*path)
            one.sendall(b"all")
            one.shutdown(socket.SHUT_WR)
            self.assertEqual(outcome(other), (3, "end"))
            self.addCleanup(lambda name=name, one=one: self.assertEqual(outcome(one), (0, "reset"), name))
        self.terminated(daemon, 2)

    def test_the_time_ends(self):
        guest, daemon = self.start("--drain-timeout", 1)
        receivers = {}
        for name, path in self.paths(guest).items():
            sender, receivers[name] = self.of_guest(name, self.ends(*path))
            sender.setblocking(False)
            try:
                while True:
                    sender.send(bytes(1 << 16))
            except BlockingIOError:
                pass
        start = time.monotonic()
        self.terminated(daemon, 8)
        self.assertGreater(time.monotonic() - start, 0.9)
        for name, receiver in receivers.items():
            with self.subTest(path=name):
                self.assertEqual(outcome(receiver)[1], "reset")

    def test_who_asks_twice_gets_the_end_at_once(self):
        guest, daemon = self.start("--drain-timeout", 60)
        sender, receiver = self.ends(*self.paths(guest)["outbound4"])
        sender.setblocking(False)
        try:
            while True:
                sender.send(bytes(1 << 16))
        except BlockingIOError:
            pass
        sender.close()
        daemon.process.terminate()
        with self.assertRaises(subprocess.TimeoutExpired):
            daemon.process.wait(1)
        self.terminated(daemon, 2)
        self.assertEqual(outcome(receiver)[1], "reset")

    def test_in_the_background(self):
        guest = Guest(self.host)
        self.addCleanup(guest.close)
        pid_path = f"{self.host.dir}/background{self.workers}.pid"
        self.host.run(self.host.binary(), "--config-net", "--pid", pid_path, "--workers", self.workers, guest.pid, uid=USER)
        pid = int(open(pid_path).read())
        sender, receiver = self.ends(guest_place(guest), REMOTE4, PORT, remote_place(self.host))
        sender.sendall(bytes(LITTLE))
        sender.close()
        os.kill(pid, signal.SIGTERM)
        time.sleep(1)
        self.assertEqual(outcome(receiver), (LITTLE, "end"))
        wait_until(lambda: not os.path.exists(f"/proc/{pid}"), "end of the daemon")

    def test_ports_are_free_while_it_drains(self):
        guest, daemon = self.start("--drain-timeout", 20)
        sender, receiver = self.ends(*self.paths(guest)["outbound4"])
        sender.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, MUCH)
        sender.sendall(bytes(MUCH // 2))
        sender.close()
        daemon.process.terminate()
        place = host_place(self.host)

        def free():
            try:
                place.bound("", IN).close()
                return True
            except OSError:
                return False
        wait_until(free, "free port", 2)
        self.assertIsNone(daemon.process.poll())
        self.assertEqual(outcome(receiver), (MUCH // 2, "end"))
        self.assertEqual(daemon.process.wait(5), 0)

    def test_the_namespace_goes(self):
        guest = NamedGuest(self.host)
        self.addCleanup(guest.close)
        daemon = Daemon(guest, "--workers", self.workers, "--runas", USER, "--drain-timeout", 20, "--netns", guest.path, uid=None, target=[], ports=PASTA_PORTS)
        sender, receiver = self.ends(Place(guest.path), REMOTE4, PORT, remote_place(self.host))
        sender.sendall(bytes(LITTLE))
        sender.close()
        run("ip", "netns", "del", guest.name)
        time.sleep(2)
        self.assertEqual(outcome(receiver), (LITTLE, "end"))
        self.assertEqual(daemon.process.wait(10), 0, daemon.log())


class DaemonsWithOneWorker(Daemons, unittest.TestCase):
    workers = 1


class DaemonsWithTwoWorkers(Daemons, unittest.TestCase):
    workers = 2


class Machines(OnSimulatedHost, unittest.TestCase):
    """passt, whose guest leaves or which is told to go."""

    def uploaded(self, *options):
        daemon = Passt(self.host, "--drain-timeout", 20, *options)
        guest = RelayedGuest(self.host, daemon)
        self.addCleanup(guest.close)
        listener = remote_place(self.host).bound("", PORT)
        sender = guest_place(guest).connected(REMOTE4, PORT)
        listener.settimeout(5)
        with listener:
            receiver = listener.accept()[0]
        receiver.settimeout(20)
        self.addCleanup(receiver.close)
        sender.sendall(bytes(LITTLE))
        return daemon, guest, sender, receiver

    def test_the_end_of_a_one_off(self):
        daemon, guest, sender, receiver = self.uploaded("--one-off")
        sender.close()
        time.sleep(0.5)                 # what is still in the machine when it dies was never acknowledged
        guest.relay.terminate()
        time.sleep(0.5)
        self.assertEqual(outcome(receiver), (LITTLE, "end"))
        self.assertEqual(daemon.process.wait(5), 0)

    def test_a_machine_that_dies_in_the_midst(self):
        daemon, guest, sender, receiver = self.uploaded("--one-off")
        time.sleep(0.5)
        guest.relay.terminate()
        self.assertEqual(daemon.process.wait(5), 0)
        self.assertEqual(outcome(receiver)[1], "reset")

    def test_a_machine_whose_passt_is_told_to_go(self):
        daemon, guest, sender, receiver = self.uploaded()
        sender.close()
        daemon.process.terminate()
        time.sleep(0.5)
        self.assertEqual(outcome(receiver), (LITTLE, "end"))
        self.assertEqual(daemon.process.wait(5), 0)


if __name__ == "__main__":
    netns_test.main()
