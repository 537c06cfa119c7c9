#!/usr/bin/env python3
"""--take-over of a passt whose guest shares its memory, with a front-end of our own: rings go on where they stand, and nobody sees it."""
import fcntl
import hashlib
import os
import struct
import sys
import termios
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import frames
import netns_test
import test_take_over
import vhost_memory
from guests import OnSimulatedHost
from hosts import HOST4, REMOTE4, ROUTER4, wait_until
from inside import Task, remote_place, send_octets, take_octets
from services import PATTERN
from succession import FLOWS, LINK, MOVE, READY, SERVES, STATE, YOURS, Between, ReplacedPasst, memory
from vhost_front import ALL_FEATURES, PLAIN, FrontEnd
from vhost_guest import Connection, VhostGuest
from vhost_messages import HEADER, NEED_REPLY, VERSION, Feature, Request, bits, single_region, vring_state

TIMES = 10
MOST = 8 * 1440


def waiting(s):
    """Octets that were sent and not read."""
    return struct.unpack("i", fcntl.ioctl(s, termios.TIOCOUTQ, bytes(4)))[0]


class TakeOverVhost(OnSimulatedHost):
    features, pairs, workers = ALL_FEATURES & ~bits(Feature.LOG_ALL), 1, 1
    # the exchange with the one that is taken over, by hand
    connection, say, until, steps = (getattr(test_take_over.TakeOver, name) for name in ("connection", "say", "until", "steps"))

    def setUp(self):
        self.daemon = ReplacedPasst(self.host, "--vhost-user", "-m", "1500", "--workers", self.workers)
        self.addCleanup(self.daemon.stop)
        self.outer, self.ports = remote_place(self.host), iter(range(30000, 40000))

    def open(self, **options):
        options = {"features": self.features, "pairs": self.pairs, "receive": {"buffer": 1536}, **options}
        front = FrontEnd(self.daemon.guest_path, memory=lambda: vhost_memory.qemu_memory(16 * vhost_memory.MIB), **options)
        self.addCleanup(front.close)
        return front.open()

    def guest(self, **options):
        return VhostGuest(self.open(**options).start())

    def connect(self, guest):
        """The guest's end, and that of a peer."""
        with self.outer.bound(REMOTE4, 0) as listener:
            most = MOST if guest.has(Feature.CSUM, Feature.HOST_TSO4) else 0
            connection = Connection(guest, HOST4, next(self.ports), REMOTE4, listener.getsockname()[1], most=most, partial=guest.has(Feature.CSUM))
            peer, _ = listener.accept()
        peer.settimeout(30)
        self.addCleanup(peer.close)
        return connection, peer

    def exchange(self, pair, length=1000):
        connection, peer = pair
        self.assertTrue(connection.send(PATTERN[:length]))
        got = b""
        while len(got) < length:
            got += peer.recv(1 << 16)
        self.assertEqual(got, PATTERN[:length])
        peer.sendall(PATTERN[:length])
        self.assertEqual(connection.receive(length), PATTERN[:length])

    def answers(self, guest):
        self.assertIsNotNone(guest.ask(frames.arp_request(ROUTER4, HOST4), frames.is_arp_reply), self.daemon.log()[-500:])

    def finish(self, guest):
        """The place at which each ring stopped is looked at by the front-end."""
        guest.outgoing.drain()
        guest.front.stop()
        self.assertEqual(guest.faults, [])

    def test_transfers_go_on(self):
        guest = self.guest()
        up, down = self.connect(guest), self.connect(guest)
        length = 1 << 20
        taken, sent = Task(take_octets, up[1]), Task(send_octets, down[1], TIMES * length)
        got, data = b"", (PATTERN * (1 + TIMES * length // len(PATTERN)))[:TIMES * length]
        for i in range(TIMES):
            # what is replaced is a child of the thread that starts it, and ends with it
            moving = Task(lambda: (up[0].send(data[i * length:(i + 1) * length], finish=i == TIMES - 1, timeout=60), down[0].receive(length, 60)))
            self.daemon.replace()
            whole, octets = moving.result()
            self.assertTrue(whole)
            got += octets
        sent.result()
        self.assertEqual(taken.result(), (len(data), hashlib.sha256(data).hexdigest()))
        self.assertEqual(hashlib.sha256(got).digest(), hashlib.sha256(data).digest())
        self.assertFalse(up[0].is_reset or down[0].is_reset)
        print(f"\npauses of {self.workers} worker(s) in ms:", *(round(1000 * p, 1) for p in sorted(self.daemon.pauses())))
        self.finish(guest)

    def test_idle_and_new_connections(self):
        guest = self.guest()
        idle = [self.connect(guest) for _ in range(20)]
        self.daemon.replace()
        for pair in idle:
            self.exchange(pair)
        self.exchange(self.connect(guest))
        with self.outer.make(2) as peer:
            peer.setblocking(False)
            self.assertNotEqual(peer.connect_ex((HOST4, 8000)), 0)
            is_syn = lambda frame: (p := frames.packet(frame)) is not None and p.protocol == frames.TCP and p.upper[2:4] == (7000).to_bytes(2, "big")
            self.assertTrue(any(VhostGuest(guest.front, pair).collect(1, 10 if pair == self.pairs - 1 else 3, is_syn) for pair in range(self.pairs)))
        self.finish(guest)

    def test_nobody_is_there_and_front_ends_come_afterwards(self):
        self.daemon.replace()
        guest = self.guest()
        self.answers(guest)
        pair = self.connect(guest)
        self.daemon.replace()
        guest.front.reconnect()
        self.exchange(pair)
        self.daemon.replace()
        self.exchange(pair)
        self.finish(guest)

    def test_the_guest_stops_and_goes_on(self):
        """What was said before a replacement counts after it."""
        guest = self.guest()
        pair = self.connect(guest)
        self.daemon.replace()
        guest.front.stop()
        self.daemon.replace()
        guest.front.resume()
        self.exchange(pair)
        guest.front.mask_call(0)
        self.daemon.replace()
        guest.front.unmask_call(0)
        self.exchange(pair)
        guest.front.reset()
        self.daemon.replace()
        self.answers(guest)
        self.finish(guest)

    def test_a_message_that_has_come_in_part_is_completed(self):
        guest = self.guest()
        link, file = guest.front.link, vhost_memory.File(vhost_memory.MIB)
        self.addCleanup(file.close)
        region = single_region(1 << 40, vhost_memory.MIB, 1 << 41, 0)
        message = HEADER.pack(Request.ADD_MEM_REG, VERSION | NEED_REPLY, len(region)) + region
        for cut in (1, 11, 12, 13, len(message) - 1):
            with self.subTest(cut=cut):
                link.send_octets(message[:cut], [file.fd])
                wait_until(lambda: not waiting(link.socket), "the daemon, to read it")
                self.daemon.replace()
                link.send_octets(message[cut:])
                self.assertEqual(link.reply(Request.ADD_MEM_REG), bytes(8))
                self.daemon.replace()
                link.tell(Request.REM_MEM_REG, region, (), True)
        self.answers(guest)
        self.finish(guest)

    def test_the_log_of_pages_goes_on(self):
        guest = self.guest(features=self.features | bits(Feature.LOG_ALL))
        guest.front.start_log()
        self.daemon.replace()
        self.answers(guest)
        self.assertTrue(guest.front.dirty(guest.incoming.used))
        guest.front.stop_log()
        self.finish(guest)

    def test_a_guest_that_migrates_stays(self):
        guest = self.guest()
        guest.front.stop()
        read, write = os.pipe()
        guest.front.link.ask(Request.SET_DEVICE_STATE_FD, vring_state(0, 0), [write])
        os.close(write)
        self.assertIn("migrates", self.daemon.refused())
        os.close(read)

    def test_who_vanishes_at_any_step_leaves_no_trace(self):
        guest = self.guest()
        pair = self.connect(guest)
        steps = self.steps()
        for count in range(len(steps) + 1):
            with self.connection() as s:
                for step in steps[:count]:
                    step(s)
            self.exchange(pair)
        self.daemon.replace()
        self.exchange(pair)
        self.finish(guest)

    def test_the_one_before_is_killed_at_any_step(self):
        """The guest stays if the new one had its rings; else it comes anew."""
        guest = self.guest()
        for step in (MOVE, LINK, FLOWS, STATE, READY, YOURS, SERVES):
            with self.subTest(step):
                pair = self.connect(guest)
                self.daemon.replace_though_killed(step)
                if step == MOVE:
                    self.assertTrue(guest.front.ended())
                    guest.front.reconnect()
                if step in (READY, YOURS, SERVES):
                    self.exchange(pair)
                self.answers(guest)
                self.exchange(self.connect(guest))
        self.finish(guest)

    def test_what_is_not_what_it_claims_is_refused(self):
        guest = self.guest()
        pair = self.connect(guest)
        null = lambda: os.open("/dev/null", os.O_RDWR)

        def changed(octets=None, at=None):
            def change(kind, value, given, fds):
                if kind != LINK:
                    return kind, value, given, fds
                if octets:
                    state = octets(os.pread(fds[0], value, 0))
                    os.close(fds[0])
                    fds[0], value = memory(state), len(state)
                if at is not None:
                    os.close(fds[at])
                    fds[at] = null()
                return kind, value, given, fds
            return change
        changes = {"no connection": changed(at=1), "no memory": changed(at=2), "no eventfd": changed(at=-1), "cut off": changed(lambda o: o[:-1]),
                   "another kind": changed(lambda o: o[:4] + b"\2" + o[5:]), "a message that there is not": changed(lambda o: o[:19] + b"\x63" + o[20:])}
        for name, change in changes.items():
            with self.subTest(name):
                self.assertIn("Couldn't take over", self.daemon.refused(path=Between(self.daemon, change).path))
                self.exchange(pair)
        self.assertIn("a machine by vhost-user", self.refused_without_vhost())
        self.daemon.replace()
        self.exchange(pair)
        self.finish(guest)

    def refused_without_vhost(self):
        options, self.daemon.options = self.daemon.options, ()
        said = self.daemon.refused()
        self.daemon.options = options
        return said


class Plain(TakeOverVhost, unittest.TestCase):
    """Whatever iPXE takes: no merged buffers, no indices of events."""
    features = PLAIN


class Everything(TakeOverVhost, unittest.TestCase):
    pass


class TwoPairs(TakeOverVhost, unittest.TestCase):
    pairs = workers = 2


if __name__ == "__main__":
    netns_test.main()
