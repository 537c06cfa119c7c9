#!/usr/bin/env python3
"""A guest that routes: what is large reaches a namespace behind it, although the links there are narrower than the guest's own."""
import json
import os
import re
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import netns_test
from behind import Behind
from guests import connected_guest
from hosts import PYTHON, REMOTE4, REMOTE6, ROUTER4, SimulatedHost, wait_until
from passt import Passt, RelayedGuest

MEBI = 1 << 20
# asks for a run of datagrams; the numbers of those that came as they should, in their order
RUN = """import json, socket, struct, sys
sys.path.insert(0, sys.argv[1])
from services import PATTERN
address, count, size = sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
s = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
s.connect((address, 19))
s.settimeout(1)
s.send(b"%d %d" % (count, size))
came = []
try:
    while len(came) < count:
        data = s.recv(65536)
        if data[4:] == PATTERN[:size - 4]:
            came.append(struct.unpack("!I", data[:4])[0])
except TimeoutError:
    pass
print(json.dumps(came))"""
BOTH = (REMOTE4, REMOTE6)


class Cases:
    """For a guest `self.guest` and a namespace `self.behind`, whose link is narrower than the guest's; `self.daemon` serves them."""

    def tearDown(self):
        self.assertIsNone(self.daemon.process.poll(), f"the daemon ended: {self.daemon.log()}")

    def lost_of_pings(self, address, size, count=4):
        done = self.behind.run("ping", "-n", "-c", count, "-i", "0.2", "-W", "2", "-s", size, address, check=False)
        self.assertNotIn("DUP!", done.stdout)
        return count - int(re.search(r"(\d+) received", done.stdout)[1])

    def test_answers_of_every_size_in_ipv4(self):
        sizes = [1, 1452, 1472, 1473, 2000, 4000, 9000, 65507]
        self.assertEqual(self.behind.client("udp", REMOTE4, 7, *sizes)["echoed"], sizes)

    def test_answers_of_every_size_in_ipv6(self):
        # Nobody but the sender may make fragments: the first that is too large is lost, and says so.
        self.behind.client("udp", REMOTE6, 7, 1453)
        sizes = [1, 1452, 1453, 1472, 1473, 2000, 4000, 9000, 65507]
        self.assertEqual(self.behind.client("udp", REMOTE6, 7, *sizes)["echoed"], sizes)

    def test_pings_of_every_size(self):
        for address, first_lost in ((REMOTE4, 0), (REMOTE6, 1)):
            for size in (56, 1452, 1453, 1472, 1473, 4000, 65000):
                with self.subTest(address=address, size=size):
                    self.assertLessEqual(self.lost_of_pings(address, size), first_lost)
                    self.assertEqual(self.lost_of_pings(address, size), 0)

    def test_large_pings_of_what_stands_for_the_host(self):
        self.assertEqual(self.lost_of_pings(ROUTER4, 4000), 0)

    def run_of(self, address, count, size):
        return json.loads(self.behind.run(PYTHON, "-c", RUN, self.host.dir, address, count, size).stdout)

    def test_runs_of_datagrams_arrive_whole_and_in_order(self):
        for address in BOTH:
            for size in (1000, 1252, 1253, 1452, 1453, 1472, 1473, 4000):
                with self.subTest(address=address, size=size):
                    count = min(40, 60000 // size)
                    if address == REMOTE6:
                        self.run_of(address, 2, size)
                    self.assertEqual(self.run_of(address, count, size), list(range(count)))

    def test_downloads(self):
        for address in BOTH:
            with self.subTest(address=address):
                done = self.behind.client("download", address, 8 * MEBI)
                self.assertTrue(done["equal"], done)


class AtATap(Cases, unittest.TestCase):
    """The guest's link has an MTU of 65520, and that behind it 1500."""
    mtu, options = 1500, ()

    @classmethod
    def setUpClass(cls):
        cls.host = SimulatedHost(mtu=9000)      # so that large datagrams come in runs
        cls.host.start_services()
        cls.guest, cls.daemon = connected_guest(cls.host, *cls.options)
        cls.behind = Behind(cls.guest, cls.mtu)

    @classmethod
    def tearDownClass(cls):
        cls.daemon.stop()
        cls.host.close()


class AtATapOf1500(AtATap):
    mtu, options = 1280, ("-m", "1500")


class WithTwoWorkers(AtATap):
    options = ("--workers", "2")


class AtAStream(Cases, unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.host = SimulatedHost(mtu=9000)
        cls.host.start_services()
        cls.daemon = Passt(cls.host, "-m", "1500")
        cls.guest = RelayedGuest(cls.host, cls.daemon)
        cls.behind = Behind(cls.guest, 1280)

    @classmethod
    def tearDownClass(cls):
        cls.guest.close()
        cls.daemon.stop()
        cls.host.close()


class NarrowInBetween(unittest.TestCase):
    """Neither end of a connection knows of the narrow link in its middle."""

    def setUp(self):
        self.host = SimulatedHost()
        self.addCleanup(self.host.close)
        self.host.start_services()

    def world(self, *options):
        guest, daemon = connected_guest(self.host, *options)
        self.addCleanup(daemon.stop)
        return Behind(guest, 1500), daemon

    def test_connections_find_out_what_gets_through(self):
        for options in ((), ("--workers", "2"), ("-m", "1500")):
            behind, daemon = self.world(*options)
            behind.narrow(1280)
            for address in BOTH:
                with self.subTest(address=address, options=options):
                    done = behind.client("download", address, 8 * MEBI)
                    self.assertTrue(done["equal"], done)
            total, _ = daemon.counters()
            self.assertEqual((total["narrow_paths_learned"], total["tcp_timeouts"]), (2, 0), total)

    def test_connections_under_way_find_out(self):
        behind, daemon = self.world()
        clients = [behind.popen(PYTHON, f"{self.host.dir}/client.py", "slow-reader", address, 32 * MEBI, 3, stdout=-1) for address in BOTH for _ in range(8)]
        wait_until(lambda: daemon.counters()[0]["tcp_flows_opened"] == 16, "connections")
        behind.narrow(1280)
        for client in clients:
            done = json.loads(client.communicate(timeout=60)[0])
            self.assertTrue(done["equal"], done)
        self.assertEqual(daemon.counters()[0]["narrow_paths_learned"], 2)

    def test_a_path_that_is_narrower_than_we_believe_gets_fragments(self):
        behind, daemon = self.world()
        behind.narrow(400)      # IPv6 has no such paths
        done = behind.client("download", REMOTE4, MEBI)
        self.assertTrue(done["equal"], done)
        self.assertEqual(daemon.counters()[0]["tcp_timeouts"], 0)


if __name__ == "__main__":
    netns_test.main()
