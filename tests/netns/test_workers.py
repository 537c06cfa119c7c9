#!/usr/bin/env python3
"""Two workers: both carry their share of many flows, flows change hands when the kernel steers elsewhere, and nothing is lost."""
import json
import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import netns_test
from guests import Daemon, Guest, connected_guest, without_timeouts
from hosts import HOST4, HOST6, PYTHON, REMOTE4, REMOTE6, SimulatedHost
from inside import guest_place, remote_place

PORTS = ("-t", "8000-8001", "-u", "none", "-T", "none", "-U", "none")


class TwoWorkers(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.host = SimulatedHost()
        cls.host.start_services()
        cls.guest, cls.daemon = connected_guest(cls.host, "--workers", "2", ports=PORTS)

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
        # Where a connection from outside is served is our choice; the kernel forgets it when nothing is written to the guest for
        # three seconds, and then steers what the guest sends by its own hash.
        handed_over = self.daemon.counters()[0]["frames_handed_over"]
        script = f"{self.host.dir}/client.py"

        def exchange():
            server = self.guest.popen(PYTHON, script, "speak-up", 8001, 200, 3, 4, stdout=-1, stderr=-1)
            self.assertEqual(server.stderr.readline(), "listening\n")
            heard = json.loads(self.host.run_remote(PYTHON, script, "hear-out", HOST6, 8001, 200).stdout)["heard"]
            self.assertEqual(heard, [["0000000", "0000001", "0000002"]] * 200)
        without_timeouts(self, self.guest, exchange)
        total, _ = self.daemon.counters()
        print(f"frames handed over: {total['frames_handed_over'] - handed_over}")
        self.assertGreater(total["frames_handed_over"], handed_over)

    def test_flows_of_the_guest_survive_silence(self):
        without_timeouts(self, self.guest,
                         lambda: self.assertEqual(self.guest.client("send-all", REMOTE6, 200, 2, 3.5)["right"], 400))

    def test_connections_one_after_another_stay_where_they_came(self):
        before, _ = self.daemon.counters()
        server = guest_place(self.guest).bound("", 8000)
        ended = []
        for _ in range(100):
            client = remote_place(self.host).connected(HOST4, 8000)
            ended.append(server.accept()[0])
            client.close()
            self.assertEqual(ended[-1].recv(1), b"")    # and the guest takes its time with its own end
        for s in (*ended, server):
            s.close()
        after, _ = self.daemon.counters()
        self.assertEqual(after["tcp_flows_accepted"] - before["tcp_flows_accepted"], 100)
        self.assertLess(after["connections_handed_over"] - before["connections_handed_over"], 20)

    def test_bulk_arrives_whole(self):
        for direction in ("download", "upload"):
            self.assertTrue(self.guest.client(direction, REMOTE4, 256 << 20)["equal"])

    def test_datagrams_and_pings(self):
        self.assertEqual(self.guest.client("udp-flows", REMOTE4, 300)["right"], 900)
        self.assertIn(" 0% packet loss", self.guest.run("ping", "-n", "-c", "3", "-i", "0.2", REMOTE6, check=False).stdout)

    def test_small_connections_stay_where_they_came(self):
        before, _ = self.daemon.counters()
        server = guest_place(self.guest).bound("", 8000)
        remote = remote_place(self.host)
        handed_over = []
        for _ in range(20):
            ends = []
            for _ in range(16):     # which would be shared, if they were long
                ends.append(remote.connected(HOST4, 8000))
                ends.append(server.accept()[0])
            for s in ends:
                s.close()
            handed_over.append(self.daemon.counters()[0]["connections_handed_over"] - before["connections_handed_over"])
        server.close()
        print(f"connections handed over: {handed_over}")
        self.assertLess(handed_over[-1] - handed_over[4], 60)   # of 240; it was half of them


class SingleQueue(unittest.TestCase):
    def test_a_tap_that_was_made_with_one_queue_is_served_by_one_worker(self):
        host = SimulatedHost()
        self.addCleanup(host.close)
        host.start_services()
        guest = Guest(host)
        self.addCleanup(guest.close)
        guest.run("ip", "tuntap", "add", "name", "tap0", "mode", "tap")
        daemon = Daemon(guest, "--workers", "2", "-I", "tap0", ports=PORTS)
        self.addCleanup(daemon.stop)
        self.assertEqual([line for line in daemon.log().splitlines() if "queue" in line],
                         ["The interface tap0 was made with a single queue: --workers has no effect"])
        self.assertEqual(guest.client("parallel", REMOTE4, 20, 1 << 20, "down")["done"], 20)
        self.assertEqual(list(daemon.counters()[1]), [])    # there is no list of workers


class WorkersAtRest(unittest.TestCase):
    """The kernel spreads what the guest sends over the queues of all workers, also of those that have nothing to do."""

    def test_the_first_worker_reads_the_queue_of_one_that_rests(self):
        host = SimulatedHost()
        self.addCleanup(host.close)
        host.start_services()
        guest, daemon = connected_guest(host, "--workers", "2", ports=PORTS)
        self.addCleanup(daemon.stop)
        self.assertEqual(guest.client("udp-flows", REMOTE4, 40)["right"], 120)
        _, workers = daemon.counters()
        self.assertEqual([workers[i]["udp_flows_opened"] for i in range(2)], [40, 0])
        self.assertEqual(workers[1]["frames_from_guest"], 0)


if __name__ == "__main__":
    netns_test.main()
