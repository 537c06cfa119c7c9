#!/usr/bin/env python3
"""TCP from a guest to the world behind the host: bulk, many at once, every way to end, every way to fail."""
import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import netns_test
from guests import connected_guest, without_timeouts
from hosts import REMOTE4, REMOTE6, UNREACHABLE4, UNREACHABLE6, SimulatedHost

GIB = 1 << 30
PAUSE = 30


class Tcp(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.host = SimulatedHost()
        cls.host.start_services()
        cls.guest, cls.daemon = connected_guest(cls.host)

    @classmethod
    def tearDownClass(cls):
        cls.daemon.stop()
        cls.host.close()

    def tearDown(self):
        self.assertIsNone(self.daemon.process.poll(), f"the daemon ended: {self.daemon.log()}")

    def transfer(self, *argv, **options):
        """A transfer that arrives whole; its result."""
        done = self.guest.client(*argv, **options)
        self.assertTrue(done["equal"], f"{argv}: {done}")
        return done

    def in_each_family(self, check):
        for address in (REMOTE4, REMOTE6):
            with self.subTest(address=address):
                check(address)

    def test_1_gib_each_way_arrives_whole_without_a_timeout(self):
        def check(address):
            def exchange():
                for direction in ("download", "upload"):
                    done = self.transfer(direction, address, GIB, timeout=120)
                    print(f"{direction} {address}: {done['mbit']:.0f} Mbit/s")
            without_timeouts(self, self.guest, exchange)
        self.in_each_family(check)

    def test_one_octet_each_way(self):
        def check(address):
            self.transfer("download", address, 1)
            self.transfer("upload", address, 1)
        self.in_each_family(check)

    def test_nothing_at_all_each_way(self):
        def check(address):
            self.transfer("download", address, 0)
            self.transfer("upload", address, 0)
        self.in_each_family(check)

    def test_200_transfers_share_fairly(self):
        for direction in ("down", "up"):
            with self.subTest(direction=direction):
                done = self.guest.client("parallel", REMOTE4, 200, 2 << 20, direction, timeout=120)
                self.assertEqual(done["done"], 200)
                median = done["seconds"][100]
                print(f"200 {direction}: median {median:.2f} s, slowest {done['seconds'][-1]:.2f} s")
                self.assertLess(done["seconds"][-1], 3 * median)

    def test_our_half_closed_first(self):
        def check(address):
            self.transfer("half-close", address, 4 << 20)
        self.in_each_family(check)

    def test_their_half_closed_first(self):
        def check(address):
            self.transfer("late-data", address, 4 << 20)
        self.in_each_family(check)

    def test_a_closed_port_refuses_at_once(self):
        def check(address):
            done = self.guest.client("connect", address, 4)
            self.assertEqual(done["error"], "ECONNREFUSED")
            self.assertLess(done["seconds"], 0.5)
        self.in_each_family(check)

    def test_an_unreachable_address_gives_its_errno(self):
        for address in (UNREACHABLE4, UNREACHABLE6):
            with self.subTest(address=address):
                self.assertIn(self.guest.client("connect", address, 80)["error"], ("EHOSTUNREACH", "ENETUNREACH"))

    def test_a_reset_from_the_other_side_reaches_the_guest(self):
        def check(address):
            self.assertEqual(self.guest.client("be-reset", address)["error"], "ECONNRESET")
        self.in_each_family(check)

    def test_a_reset_from_the_guest_reaches_the_other_side(self):
        def check(address):
            self.guest.client("reset", address)
        self.in_each_family(check)
        established = self.host.run("ss", "-Htn", "state", "established", "state", "close-wait", "dport", "=", ":7").stdout
        self.assertEqual(established, "")

    def test_a_reader_that_stops_and_goes_on(self):
        self.transfer("slow-reader", REMOTE4, 64 << 20, PAUSE, timeout=PAUSE + 60)
        self.transfer("slow-reader", REMOTE6, 64 << 20, 2)

    def test_flows_that_stay_open_answer_every_time(self):
        self.assertEqual(self.guest.client("send-all", REMOTE6, 100, 20)["right"], 2000)


class TcpMtu(unittest.TestCase):
    def test_every_mtu_carries_both_ways(self):
        host = SimulatedHost()
        self.addCleanup(host.close)
        host.start_services()
        for mtu in (1280, 1500, 9000, 65520):
            guest, daemon = connected_guest(host, "-m", mtu)
            for address in (REMOTE4, REMOTE6):
                for direction in ("download", "upload"):
                    def exchange():
                        done = guest.client(direction, address, 32 << 20)
                        print(f"MTU {mtu} {direction} {address}: {done['mbit']:.0f} Mbit/s")
                        self.assertTrue(done["equal"])
                    with self.subTest(mtu=mtu, address=address, direction=direction):
                        without_timeouts(self, guest, exchange)
            self.assertEqual(daemon.stop(), 0)
            guest.close()


if __name__ == "__main__":
    netns_test.main()
