#!/usr/bin/env python3
"""A guest that keeps to the rules and does its worst (tests/adversary): every connection comes to its end, with the right octets, and leaves nothing behind.

TAPIOCA_SEED repeats a run, TAPIOCA_CONNECTIONS says how many connections; TAPIOCA_FULL makes them 10 000, of another
seed each time.
"""
import os
import random
import subprocess
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import netns_test
from hosts import HOST4, HOST6, REMOTE4, REMOTE6, SimulatedHost, wait_until
from inside import descriptors, raise_descriptor_limit
from passt import Passt

FULL = bool(os.environ.get("TAPIOCA_FULL"))
SEED = int(os.environ.get("TAPIOCA_SEED") or (random.randrange(1 << 32) if FULL else 1))
CONNECTIONS = int(os.environ.get("TAPIOCA_CONNECTIONS") or (10_000 if FULL else 400))
AT_ONCE = 1000 if FULL else 200
INBOUND_PORTS = "30000-33999"


class Adversary(unittest.TestCase):
    def setUp(self):
        raise_descriptor_limit()
        self.host = SimulatedHost()
        self.addCleanup(self.host.close)

    def run_client(self, daemon, program, *options):
        argv = self.host.in_remote(os.environ[program], daemon.path, HOST4, HOST6, REMOTE4, REMOTE6, "seed", SEED, *options)
        done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=1500 if FULL else 280)
        print(done.stdout, end="", flush=True)
        self.assertEqual(done.returncode, 0, f"seed {SEED}")

    def test_hostile_connections(self):
        daemon = Passt(self.host, "-t", INBOUND_PORTS)
        before = descriptors(daemon.pid)
        self.run_client(daemon, "TAPIOCA_HOSTILE_TCP", "count", CONNECTIONS, "at-once", AT_ONCE)
        wait_until(lambda: descriptors(daemon.pid) == before, f"end of the flows: {before} before", 30)
        counters, _ = daemon.counters()
        print({name: counters[name] for name in ("tcp_flows_opened", "tcp_flows_closed", "tcp_retransmits", "tcp_timeouts", "tcp_out_of_order")})
        self.assertEqual(counters["tcp_flows_opened"], counters["tcp_flows_closed"])
        for name in ("flow_quarantined", "tcp_stalls_recovered", "tcp_overflowed"):
            self.assertEqual(counters[name], 0, name)
        self.assertEqual(daemon.stop(), 0, daemon.log())


if __name__ == "__main__":
    netns_test.main()
