#!/usr/bin/env python3
"""Real programs over passt's stream, on a kernel's own TCP/IP stack: bulk, many at once, both directions, every size, pieces cut anywhere."""
import json
import os
import subprocess
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import netns_test
from hosts import HOST4, HOST6, PYTHON, REMOTE4, REMOTE6, SimulatedHost, wait_until
from passt import Passt, RelayedGuest

MIB = 1 << 20
CHECKSUM_ERRORS = ("TcpInCsumErrors", "UdpInCsumErrors", "IcmpInCsumErrors", "TcpExtTCPTimeouts")


class Clients:
    """One guest for all tests of a class, which says what its link is like."""

    mtu, most, volume = 1500, 0, 64 * MIB

    @classmethod
    def setUpClass(cls):
        cls.host = SimulatedHost(mtu=cls.mtu if cls.mtu > 1500 else 1500)
        cls.host.start_services()
        cls.daemon = Passt(cls.host, "-t", "8000", "-u", "8001")
        cls.guest = RelayedGuest(cls.host, cls.daemon, cls.mtu, cls.most)
        cls.before = {name: cls.guest.counter(name) for name in CHECKSUM_ERRORS}

    @classmethod
    def tearDownClass(cls):
        cls.guest.close()
        status = cls.daemon.stop()
        cls.host.close()
        assert status == 0, cls.daemon.log()

    def transfer(self, *argv, **options):
        done = self.guest.client(*argv, **options)
        self.assertTrue(done["equal"], f"{argv}: {done}")
        return done

    def test_bulk_each_way_arrives_whole(self):
        for address in (REMOTE4, REMOTE6):
            for direction in ("download", "upload"):
                with self.subTest(direction=direction, address=address):
                    done = self.transfer(direction, address, self.volume, timeout=120)
                    print(f"{direction} {address}: {done['mbit']:.0f} Mbit/s")

    def test_many_at_once_share(self):
        for direction in ("down", "up"):
            with self.subTest(direction=direction):
                done = self.guest.client("parallel", REMOTE4, 50, self.volume // 256, direction, timeout=120)
                self.assertEqual(done["done"], 50)
                print(f"50 {direction}: median {done['seconds'][25]:.2f} s, slowest {done['seconds'][-1]:.2f} s")

    def test_halves_closed_one_by_one(self):
        for address in (REMOTE4, REMOTE6):
            self.transfer("half-close", address, 2 * MIB)
            self.transfer("late-data", address, 2 * MIB)

    def test_ends_that_are_not_orderly(self):
        for address in (REMOTE4, REMOTE6):
            self.guest.client("reset", address)
            self.assertEqual(self.guest.client("be-reset", address)["error"], "ECONNRESET")
            refused = self.guest.client("connect", address, 4999)
            self.assertEqual(refused["error"], "ECONNREFUSED")
            self.assertLess(refused["seconds"], 1)

    def test_a_slow_reader_gets_everything(self):
        self.transfer("slow-reader", REMOTE4, self.volume // 8, 2, timeout=60)

    def test_datagrams_of_every_size(self):
        sizes = [0, 1, 2, 17, 18, 19, 508, 1432, 1472, 1473, 4000, 9000, 65507]
        for address in (REMOTE4, REMOTE6):
            largest = [min(size, 65487) for size in sizes] if ":" in address else sizes
            self.assertEqual(self.guest.client("udp", address, 7, *largest)["echoed"], largest)

    def test_many_flows_of_datagrams(self):
        self.assertEqual(self.guest.client("udp-flows", REMOTE4, 200)["right"], 600)
        self.assertEqual(self.guest.client("udp-refused", REMOTE6, 4999)["error"], "ECONNREFUSED")

    def test_from_outside(self):
        for address in (HOST4, HOST6):
            with self.subTest(address=address):
                server = self.guest.popen(PYTHON, f"{self.host.dir}/client.py", "listen", 8000, 8 * MIB, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
                self.assertEqual(server.stderr.readline(), "listening\n")
                there = json.loads(self.host.run_remote(PYTHON, f"{self.host.dir}/client.py", "both-ways", address, 8000, 8 * MIB).stdout)
                here = json.loads(server.stdout.read())
                self.assertTrue(here["equal"] and there["equal"], f"{here} {there}")

    def test_ping(self):
        for address in (REMOTE4, REMOTE6):
            for size in (56, 1472, 8000):
                self.guest.run("ping", "-c", "2", "-i", "0.2", "-W", "2", "-s", size, address)

    def test_zz_the_kernel_found_no_wrong_checksum(self):
        after = {name: self.guest.counter(name) for name in CHECKSUM_ERRORS}
        self.assertEqual(after, self.before)


class Usual(Clients, unittest.TestCase):
    pass


class Large(Clients, unittest.TestCase):
    mtu, volume = 65520, 256 * MIB


class Cut(Clients, unittest.TestCase):
    """The same in pieces of at most 99 octets, which rarely end where a frame does."""
    most, volume = 99, 8 * MIB


class Reconnected(unittest.TestCase):
    def test_transfers_go_on_over_the_next_connection(self):
        """The client is replaced under way; the same addresses and connections are there again, and nothing is lost."""
        host = SimulatedHost()
        self.addCleanup(host.close)
        host.start_services()
        daemon = Passt(host)
        guest = RelayedGuest(host, daemon, mtu=1500)
        volume = 400 * MIB
        for direction in ("download", "upload"):
            transfer = guest.popen(PYTHON, f"{host.dir}/client.py", direction, REMOTE4, volume, stdout=subprocess.PIPE)
            for _ in range(3):
                time.sleep(0.15)
                guest.reconnect()
            done = json.loads(transfer.stdout.read())
            self.assertTrue(done["equal"], f"{direction}: {done}")
        wait_until(lambda: daemon.log().count("accepted connection from PID") >= 7, "word of the seventh client")
        guest.close()
        self.assertEqual(daemon.stop(), 0)


if __name__ == "__main__":
    netns_test.main()
