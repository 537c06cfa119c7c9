#!/usr/bin/env python3
"""Two workers: both carry their share of many flows, flows change hands when the kernel steers elsewhere, and nothing is lost."""
import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import netns_test
from guests import connected_guest
from hosts import PYTHON, REMOTE4, REMOTE6, SimulatedHost


class TwoWorkers(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.host = SimulatedHost()
        cls.host.start_services()
        cls.guest, cls.daemon = connected_guest(cls.host, "--workers", "2")

    @classmethod
    def tearDownClass(cls):
        cls.daemon.stop()
        cls.host.close()

    def flows(self):
        """Flows that each worker has opened so far."""
        _, workers = self.daemon.counters()
        return [workers[i]["tcp_flows_opened"] if i in workers else 0 for i in range(2)]

    def test_200_transfers_are_shared(self):
        before = self.flows()
        for direction in ("down", "up"):
            done = self.guest.client("parallel", REMOTE4, 200, 1 << 20, direction, timeout=120)
            self.assertEqual(done["done"], 200)
        shares = [after - b for after, b in zip(self.flows(), before)]
        print(f"flows of each worker: {shares}")
        self.assertEqual(sum(shares), 400)
        self.assertGreaterEqual(min(shares), 0.3 * sum(shares))

    def test_flows_change_hands_and_lose_nothing(self):
        before = self.guest.counter("TcpExtTCPTimeouts")
        # the kernel forgets where a flow belongs when nothing is written to it for three seconds
        script = f"{self.host.dir}/client.py"
        client = self.guest.popen(PYTHON, script, "send-all", REMOTE6, 200, 4, 3.5, stdout=-1)
        self.assertIn('"right": 800', client.communicate(timeout=120)[0])
        self.assertEqual(self.guest.counter("TcpExtTCPTimeouts"), before)
        total, _ = self.daemon.counters()
        self.assertGreater(total["frames_handed_over"], 0, total)

    def test_bulk_arrives_whole(self):
        for direction in ("download", "upload"):
            self.assertTrue(self.guest.client(direction, REMOTE4, 256 << 20)["equal"])

    def test_datagrams_and_pings(self):
        self.assertEqual(self.guest.client("udp-flows", REMOTE4, 300)["right"], 900)
        self.assertIn(" 0% packet loss", self.guest.run("ping", "-n", "-c", "3", "-i", "0.2", REMOTE6, check=False).stdout)


if __name__ == "__main__":
    netns_test.main()
