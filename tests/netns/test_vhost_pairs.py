#!/usr/bin/env python3
"""Two pairs of a vhost-user guest's queues, each served by a worker of its own: a connection follows the guest to the pair by which it
speaks, wherever the guest goes, and no octet is lost on the way."""
import collections
import hashlib
import itertools
import os
import random
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import frames
import netns_test
import vhost_memory
from hosts import HOST4, HOST6, REMOTE4, REMOTE6, ROUTER4
from passt import Passt
from services import PATTERN
from vhost_case import OnVhost
from vhost_front import ORDERS, PLAIN, USUAL_PROTOCOL
from vhost_guest import Connection, VhostGuest
from vhost_messages import Feature, Protocol, bits

PAIRS = 2
FEATURES = PLAIN | bits(Feature.MQ, Feature.MRG_RXBUF, Feature.CSUM, Feature.GUEST_CSUM)
ports = itertools.count(30000)


class Steered(frames.FrameClient):
    """A guest that sends by the pair that it has chosen, and takes what comes by any."""

    def __init__(self, guests):
        self.guests, self.at, self.heard = guests, 0, collections.Counter()

    def has(self, *features):
        return self.guests[0].has(*features)

    def send(self, *sent, cuts=()):
        self.guests[self.at].send(*sent, cuts=cuts)

    def send_marked(self, *pairs, cuts=()):
        self.guests[self.at].send_marked(*pairs, cuts=cuts)

    def receive(self, timeout=2):
        end = time.monotonic() + timeout
        while True:
            for pair, guest in enumerate(self.guests):
                if (frame := guest.receive(0)) is not None:
                    self.heard[pair] += 1
                    return frame
            if time.monotonic() >= end:
                return None
            time.sleep(0.0002)


class Pairs(OnVhost, unittest.TestCase):
    @classmethod
    def start_daemon(cls):
        cls.daemon = Passt(cls.host, "--vhost-user", "-m", "1500", "--workers", PAIRS)

    def setUp(self):
        room = 32 * vhost_memory.MIB
        self.front = self.open_front(features=FEATURES, protocol=USUAL_PROTOCOL | bits(Protocol.MQ), pairs=PAIRS,
                                     memory=lambda: ORDERS["qemu"].memory(room), receive={"buffer": 1536, "indirect": True, "pieces": 1})
        self.front.start()
        for pair in range(PAIRS):
            self.front.enable_pair(pair, True)
        self.guest = Steered([VhostGuest(self.front, pair) for pair in range(PAIRS)])
        self.before, _ = self.daemon.counters()

    def tearDown(self):
        faults = [guest.faults for guest in self.guest.guests]
        self.front.close()
        self.assertTrue(self.alive(), self.daemon.log()[-500:])
        self.assertEqual(faults, [[], []])

    def counted(self, name):
        return self.daemon.counters()[0][name] - self.before[name]

    def test_each_pair_has_a_worker_that_answers_by_it(self):
        for self.guest.at in range(PAIRS):
            self.guest.drain()
            self.guest.heard.clear()
            for _ in range(10):
                self.assertIsNotNone(self.guest.ask(frames.arp_request(ROUTER4, HOST4), frames.is_arp_reply))
            self.assertEqual(set(self.guest.heard), {self.guest.at})

    def test_a_connection_follows_the_guest(self):
        for source, target in ((HOST4, REMOTE4), (HOST6, REMOTE6)):
            with self.subTest(target=target):
                self.guest.at, data = 0, PATTERN[:400_000]
                upload = Connection(self.guest, source, next(ports), target, 9)
                self.assertTrue(upload.send(data[:100_000]))
                self.guest.at = 1
                moved = self.counted("tcp_flows_moved")
                self.assertTrue(upload.send(data[100_000:200_000]))
                self.guest.heard.clear()
                self.assertTrue(upload.send(data[200_000:], finish=True))
                self.assertEqual(upload.receive().split(), [b"%d" % len(data), hashlib.sha256(data).hexdigest().encode()])
                self.assertEqual(set(self.guest.heard), {1})
                self.assertEqual(self.counted("tcp_flows_moved") - moved, 1)

    def test_a_download_goes_where_it_is_acknowledged(self):
        self.guest.at, length = 1, 400_000
        download = Connection(self.guest, HOST4, next(ports), REMOTE4, 19, scale=0)     # or all of it is on its way at once
        download.send(b"%d\n" % length)
        got = download.receive(100_000)
        self.guest.at = 0
        got += download.receive(100_000)
        self.guest.heard.clear()
        got += download.receive()
        self.assertEqual(hashlib.sha256(got).digest(), hashlib.sha256(PATTERN[:length]).digest())
        self.assertGreater(self.guest.heard[0], 10 * self.guest.heard[1])
        self.assertTrue(download.send(b"", finish=True))

    def test_one_that_never_stays_loses_nothing(self):
        """Each burst leaves by another pair than the one before, or not."""
        dice, data = random.Random(7), PATTERN[:300_000]
        connections = [Connection(self.guest, HOST4, next(ports), REMOTE4, 9) for _ in range(4)]
        for at in range(0, len(data), 5000):
            for connection in connections:
                self.guest.at = dice.randrange(PAIRS)
                self.assertTrue(connection.send(data[at:at + 5000], finish=at + 5000 >= len(data)))
        for connection in connections:
            self.assertEqual(connection.receive().split(), [b"%d" % len(data), hashlib.sha256(data).hexdigest().encode()])
        self.assertGreater(self.counted("tcp_flows_moved"), 10)
        self.assertEqual(self.counted("flow_quarantined"), 0)
        self.assertEqual(self.counted("tcp_resets_to_guest"), 0)

    def test_frames_of_a_connection_that_is_on_its_way_find_it(self):
        """Back and forth with every segment: some come to a worker before the connection does, some after it has left again."""
        connection, data = Connection(self.guest, HOST4, next(ports), REMOTE4, 9, mss=100), PATTERN[:60_000]
        for at in range(0, len(data), 1500):
            self.guest.at = at // 6000 % PAIRS
            self.assertTrue(connection.send(data[at:at + 1500]))
        self.assertTrue(connection.send(b"", finish=True))
        self.assertEqual(connection.receive().split(), [b"%d" % len(data), hashlib.sha256(data).hexdigest().encode()])

    def test_a_pair_that_the_guest_does_not_use_is_given_nothing(self):
        self.front.enable_pair(1, False)
        self.guest.drain()
        self.guest.heard.clear()
        for _ in range(8):
            upload = Connection(self.guest, HOST4, next(ports), REMOTE4, 9)
            self.assertTrue(upload.send(b"x" * 1000, finish=True))
            upload.receive()
        self.assertEqual(set(self.guest.heard), {0})
        self.front.enable_pair(1, True)


if __name__ == "__main__":
    netns_test.main()
