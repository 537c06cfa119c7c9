#!/usr/bin/env python3
"""A front-end that does its worst to passt's vhost-user: the cases of vhost_hostile.py and vhost_hostile_rings.py, each on a connection of its
own. After each the daemon lives and rests, and a connection that had to survive works; after every ten a well-behaved front-end is served,
and no descriptor and no memory of the others is left.
"""
import os
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import frames
import netns_test
import vhost_hostile
import vhost_hostile_rings
from hosts import HOST4, ROUTER4, wait_until
from vhost_case import OnVhost
from vhost_front import PLAIN, USUAL_PROTOCOL
from vhost_guest import VhostGuest
from vhost_memory import dpdk_memory
from vhost_messages import Closed, Feature, Protocol, Refused, bits

WATCH, MOST, LOOKS = 0.05, 0.001, 8     # seconds left alone, those of a processor that may be used in them, how often it is looked at
ROUND = 10
OFFLOAD = bits(Feature.CSUM, Feature.HOST_TSO4, Feature.HOST_TSO6, Feature.HOST_ECN, Feature.HOST_USO)
ENDS = (Closed, Refused, OSError, AssertionError, TimeoutError)     # what a hostile front-end may meet


class Hostile(OnVhost, unittest.TestCase):
    idle = {}       # by process: what it holds while nobody is there

    def front_for(self, stage):
        try:
            return self.make_front(stage)
        except Exception as error:      # it has ended or hangs since the case before, of which this one is not to suffer
            self.daemon.process.kill()
            self.daemon.process.wait()
            self.start_daemon()
            self.fail(f"no new connection ({error!r}) after {self.last}")

    def make_front(self, stage):
        words = stage.split()
        features = PLAIN | (bits(Feature.INDIRECT_DESC) if "indirect" in words else 0) | (OFFLOAD if "offload" in words else 0)
        slots = "slots" in words
        front = self.open_front(features=features, protocol=USUAL_PROTOCOL | (bits(Protocol.CONFIGURE_MEM_SLOTS) if slots else 0), size=64,
                                memory=dpdk_memory if "unsealed" in words else None)
        try:
            front.slots = slots and bool(front.protocol >> Protocol.CONFIGURE_MEM_SLOTS & 1)
            front.link.timeout = 0.5
            front.link.socket.settimeout(0.5)
            if "starved" in words:          # no buffer of good faith is in the receive queue
                front.rings[0].idle.clear()
            if words[0] != "hello":
                front.start()
        except BaseException:
            front.close()
            raise
        return front

    def used(self):
        """Seconds of a processor that the daemon's threads have used."""
        total = 0
        for thread in os.listdir(f"/proc/{self.daemon.pid}/task"):
            try:
                with open(f"/proc/{self.daemon.pid}/task/{thread}/schedstat") as f:
                    total += int(f.read().split()[0])
            except OSError:
                pass
        return total / 1e9

    def rests(self):
        """Whether the daemon comes to rest when left alone: one that spins uses all of each time that it is looked at."""
        for _ in range(LOOKS):
            try:
                before = self.used()
                time.sleep(WATCH)
                if self.used() - before <= MOST:
                    return True
            except OSError:
                return True         # it has ended, which is looked at elsewhere
        return False

    def is_served(self, front):
        guest = VhostGuest(front)
        return guest.ask(frames.arp_request(ROUTER4, HOST4), frames.is_arp_reply, 1) is not None

    def one(self, name, stage, action, expected):
        front, self.last = self.front_for(stage), name
        try:
            try:
                action(front)
            except ENDS as error:
                if expected == vhost_hostile.SERVED:
                    raise
            rests = self.rests()
            self.assertTrue(self.alive(), f"{name}: the daemon ended: {self.daemon.log()[-300:]}")
            self.assertTrue(rests, f"{name}: the daemon does not rest")
            if expected == vhost_hostile.SERVED:
                self.assertTrue(self.is_served(front), f"{name}: the connection is not served any more")
        finally:
            front.close()
            if not self.alive():
                self.start_daemon()

    def holds(self):
        """(descriptors without sockets, which flows have too, mappings of memfds) of the daemon."""
        kinds, directory = [], f"/proc/{self.daemon.pid}/fd"
        for fd in os.listdir(directory):
            try:
                kinds.append(os.readlink(f"{directory}/{fd}"))
            except OSError:
                pass
        with open(f"/proc/{self.daemon.pid}/maps") as f:
            return sum(not kind.startswith("socket:") for kind in kinds), sum("/memfd:" in line for line in f)

    def round(self, names):
        """A well-behaved front-end is served, and leaves what was there before all others."""
        with self.front_for("running") as front:
            self.assertTrue(self.is_served(front), f"no answer after {names}: {self.daemon.log()[-300:]}")
            self.assertEqual(VhostGuest(front).faults, [])
        if self.daemon.pid not in self.idle:
            time.sleep(0.2)
            self.idle[self.daemon.pid] = self.holds()
        least = self.idle[self.daemon.pid]
        try:
            wait_until(lambda: all(now <= then for now, then in zip(self.holds(), least)), "end", 1)
        except TimeoutError:
            self.fail(f"(descriptors, mappings) {self.holds()} after {names}, {least} before")

    def table(self, cases):
        self.last = "the start"
        with self.subTest(case="a front-end before all others"):
            self.round([])
        for start in range(0, len(cases), ROUND):
            these = cases[start:start + ROUND]
            for case in these:
                with self.subTest(case=case[0]):
                    self.one(*case)
            with self.subTest(case=f"after {these[-1][0]}"):
                self.round([name for name, *_ in these])
        print(f"{len(cases)} cases ", end="", file=sys.stderr, flush=True)

    def test_messages(self):
        self.table(vhost_hostile.cases)

    def test_rings(self):
        self.table(vhost_hostile_rings.cases)


if __name__ == "__main__":
    netns_test.main()
