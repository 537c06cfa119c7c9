#!/usr/bin/env python3
"""--take-over: another process goes on in the place of a running one, and neither the guest nor its peers see it."""
import fcntl
import os
import socket
import struct
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import netns_test
from guests import Guest, OnSimulatedHost
from hosts import HOST4, REMOTE4, REMOTE6, USER
from inside import guest_place, remote_place
from services import PATTERN
from succession import (ACKNOWLEDGED, ANSWER, CALL, FLOWS, HELLO, LINK, LISTENERS, MOVE, PARTS, PARTS_END, READY, REFUSED, SERVES, STATE, VERSION, YOURS, Between,
                        Replaced, Stream, as_user, exactly, hear, memory, unique_path)

TIMES = 20
IDLE = 200
LONGEST_PAUSE = 0.05


class TakeOver(OnSimulatedHost):
    workers = 1
    killed_at = (MOVE, FLOWS, STATE, READY, YOURS, SERVES)

    def setUp(self):
        self.guest = Guest(self.host)
        self.addCleanup(self.guest.close)
        self.daemon = Replaced(self.guest, "--workers", self.workers)
        self.addCleanup(self.daemon.stop)
        self.inner, self.outer = guest_place(self.guest), remote_place(self.host)

    def outbound(self, address=REMOTE4):
        """The guest's end, and that of the peer."""
        with self.outer.bound(address, 0) as listener:
            client = self.inner.connected(address, listener.getsockname()[1])
            server, _ = listener.accept()
        return client, server

    def inbound(self):
        with self.inner.bound("", 7000) as listener:
            listener.settimeout(20)
            peer = self.outer.connected(HOST4, 8000)
            server, _ = listener.accept()
        return server, peer

    def exchange(self, pair):
        for here, there in (pair, pair[::-1]):
            here.sendall(b"x" * 100)
            there.settimeout(20)
            self.assertEqual(len(there.recv(100)), 100)

    def test_transfers_go_on(self):
        pairs = [self.outbound(), self.outbound(REMOTE6), self.inbound()]
        streams = [Stream(*pair) for pair in (pairs[0], pairs[1][::-1], pairs[2], pairs[2][::-1])]
        resets = self.guest.counter("TcpEstabResets")
        for _ in range(TIMES):
            self.daemon.replace()
            time.sleep(0.05)
        for stream in streams:
            self.assertTrue(stream.finish(), "octets got lost")
            self.assertGreater(stream.octets, 10 << 20)
        self.assertEqual(self.guest.counter("TcpEstabResets"), resets)
        pauses = sorted(self.daemon.pauses())
        print(f"\npauses of {self.workers} worker(s) in ms:", *(round(1000 * p, 1) for p in pauses))
        self.assertEqual(len(pauses), TIMES)
        self.assertLess(pauses[-1], 1)
        if os.getloadavg()[0] <= 2 * os.cpu_count():    # each step waits for a processor, which is no fault of ours
            self.assertLess(pauses[TIMES // 2], LONGEST_PAUSE)

    def test_idle_connections_stay(self):
        pairs = [self.outbound() for _ in range(IDLE)]
        for _ in range(3):
            self.daemon.replace()
        for pair in pairs:
            self.exchange(pair)

    def test_new_connections_both_ways_afterwards(self):
        self.daemon.replace()
        self.exchange(self.outbound())
        self.exchange(self.inbound())

    def test_octets_that_wait_for_a_slow_peer(self):
        client, server = self.outbound()
        client.setblocking(False)
        sent, end = 0, time.monotonic() + 2
        while time.monotonic() < end:
            try:
                sent += client.send(PATTERN[sent % 65536:][:65536])
            except BlockingIOError:
                time.sleep(0.01)
        self.daemon.replace()
        server.settimeout(20)
        got = 0
        while got < sent:
            got += len(server.recv(1 << 20))
        self.assertEqual(got, sent)

    def test_half_closed_connections(self):
        for first, second in ((self.outbound()), (self.outbound()[::-1])):
            first.shutdown(socket.SHUT_WR)
            self.assertEqual(second.recv(1), b"")
            self.daemon.replace()
            second.sendall(b"y" * 1000)
            second.close()
            first.settimeout(20)
            self.assertEqual(sum(map(len, iter(lambda: first.recv(4096), b""))), 1000)

    def test_refusals(self):
        pair = self.outbound()
        said = self.daemon.refused(uid=USER + 1, paths=False)
        self.assertRegex(said, "not this user's|Permission denied|Couldn't take over|Couldn't open")
        with socket.socket(socket.AF_UNIX) as others:
            path = unique_path(self.host, "others")
            others.bind(path)
            os.chmod(path, 0o777)
            others.listen()
            self.assertIn("not this user's", self.daemon.refused(path=path))
        self.assertIn("No such file", self.daemon.refused(path=f"{self.host.dir}/nothing"))
        self.check_what_cannot_change()
        with socket.socket(socket.AF_UNIX) as root:
            root.settimeout(10)
            root.connect(self.daemon.path)
            root.sendall(CALL)
            self.assertIn(b"PermissionDenied", root.recv(1000))
        self.exchange(pair)

    def check_what_cannot_change(self):
        self.assertIn("worker", self.daemon.refused("--workers", str(self.workers + 1)))

    def connection(self):
        """Of a client of the daemon's user, to its control socket; nothing of the exchange has been said."""
        s = socket.socket(socket.AF_UNIX)
        s.settimeout(10)
        with as_user():
            s.connect(self.daemon.path)
        s.sendall(CALL)
        self.assertEqual(exactly(s, len(ANSWER))[0], ANSWER)
        return s

    def say(self, s, kind, value=0):
        s.sendall(struct.pack("!HHII", kind, 0, value, 0))

    def until(self, s, kind):
        """Acknowledges everything in front of that kind."""
        while True:
            heard, _, octets, fds = hear(s)
            for fd in fds:
                os.close(fd)
            if heard == kind:
                return octets
            self.assertIn(heard, (PARTS, LISTENERS, LINK, FLOWS))
            self.say(s, ACKNOWLEDGED, heard)

    def steps(self):
        """Each leads a connection one step further."""
        def hello(s):
            self.say(s, HELLO, VERSION)

        def parts(s):
            self.until(s, PARTS_END)

        def move(s):
            self.say(s, MOVE, 4711)

        def state(s):
            self.until(s, STATE)

        def ready(s):
            self.say(s, READY)
            self.until(s, YOURS)
        return hello, parts, move, state, ready

    def test_who_vanishes_at_any_step_leaves_no_trace(self):
        pair = self.outbound()
        steps = self.steps()
        for count in range(len(steps) + 1):
            with self.connection() as s:
                for step in steps[:count]:
                    step(s)
            self.exchange(pair)
        self.daemon.replace()
        self.exchange(pair)

    def test_who_is_silent_does_not_stop_it_for_long(self):
        pair = self.outbound()
        with self.connection() as s:
            for step in self.steps()[:4]:
                step(s)
            self.exchange(pair)
            self.assertEqual(hear(s)[0], REFUSED)

    def test_an_unknown_version_and_nonsense_are_refused(self):
        pair = self.outbound()
        for kind, value, word in ((HELLO, VERSION + 1, b"version 3"), (MOVE, 1, b"no place"), (SERVES, 0, b"no place"), (99, 0, b"no place")):
            with self.connection() as s:
                self.say(s, kind, value)
                heard, _, said, _ = hear(s)
                self.assertEqual(heard, REFUSED)
                self.assertIn(word, said)
        self.exchange(pair)


    def changed(self, which, octets=lambda o: o, fd=None, value=None):
        """A message of that kind with other octets, another last descriptor, another value."""
        def change(kind, v, o, fds):
            if kind != which:
                return kind, v, o, fds
            if fd is not None:
                os.close(fds[-1])
                fds[-1] = fd(fds)
            return kind, v if value is None else value, octets(o), fds
        return change

    def test_what_is_not_what_it_claims_is_refused(self):
        pair = self.outbound()
        null = lambda _: os.open("/dev/null", os.O_RDWR)
        newer = lambda octets: struct.pack("!I", VERSION + 1) + octets[4:]
        of_state = []

        def newer_state(fds):
            return memory(of_state[0][:8] + struct.pack("!I", VERSION + 1) + of_state[0][12:])

        def keep(kind, value, octets, fds):
            if kind == STATE:
                of_state[:] = [os.pread(fds[-1], value, 0)]
            return kind, value, octets, fds
        changes = {"newer parts": self.changed(PARTS, newer), "no control socket": self.changed(PARTS, fd=null),
                   "no tap": lambda kind, v, o, fds: (kind, v, o, [null(0), *fds[1:]] if kind == PARTS else fds),
                   "no listener": self.changed(LISTENERS, fd=null), "other port": self.changed(LISTENERS, lambda o: o[:-1] + b"x"),
                   "no connection": self.changed(FLOWS, fd=null), "no state": self.changed(STATE, fd=null),
                   "not sealed": self.changed(STATE, fd=lambda _: memory(b"x" * 500, fcntl.F_SEAL_GROW)),
                   "cut off": self.changed(STATE, value=100), "nonsense": self.changed(STATE, fd=lambda _: memory(b"x" * 500), value=500),
                   "newer state": lambda *m: self.changed(STATE, fd=newer_state)(*keep(*m))}
        for name, change in changes.items():
            with self.subTest(name):
                said = self.daemon.refused(path=Between(self.daemon, change).path)
                self.assertIn("Couldn't take over", said)
                self.exchange(pair)
        self.daemon.replace()
        self.exchange(pair)

    def test_the_one_before_is_killed_at_any_step(self):
        """The new one goes on: with all connections if it had them, else with the link and the ports."""
        for step in self.killed_at:
            with self.subTest(step):
                pair = self.outbound()
                self.daemon.replace_though_killed(step)
                if step in (READY, YOURS, SERVES):
                    self.exchange(pair)
                self.exchange(self.outbound())
                self.exchange(self.inbound())


class WithOneWorker(TakeOver, unittest.TestCase):
    pass


class WithTwoWorkers(TakeOver, unittest.TestCase):
    workers = 2


if __name__ == "__main__":
    netns_test.main()
