#!/usr/bin/env python3
"""A guest that keeps to the rules and does its worst (tests/adversary): what is said arrives as it was said, comes to its end, and leaves nothing behind.

TAPIOCA_SEED repeats a run. TAPIOCA_FULL makes it 10 000 connections and as many flows of datagrams, of another seed each time.
"""
import os
import random
import subprocess
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import netns_test
from guests import Daemon, NamedGuest
from hosts import HOST4, HOST6, REMOTE4, REMOTE6, SimulatedHost, run, wait_until
from inside import descriptors, raise_descriptor_limit
from passt import Passt

FULL = bool(os.environ.get("TAPIOCA_FULL"))
SEED = int(os.environ.get("TAPIOCA_SEED") or (random.randrange(1 << 32) if FULL else 1))
CONNECTIONS, AT_ONCE, EXCHANGES = (10_000, 500, 13_000) if FULL else (300, 150, 1000)
INBOUND_TCP, INBOUND_UDP = "30000-33999", "31000-32023"


class Adversary(unittest.TestCase):
    def setUp(self):
        raise_descriptor_limit()
        self.host = SimulatedHost()
        self.addCleanup(self.host.close)

    def run_client(self, path, program, *options):
        argv = self.host.in_remote(os.environ[program], path, HOST4, HOST6, REMOTE4, REMOTE6, "seed", SEED, *options)
        done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=1500 if FULL else 280)
        print(done.stdout, end="", flush=True)
        self.assertEqual(done.returncode, 0, f"seed {SEED}")

    def test_hostile_connections(self):
        daemon = Passt(self.host, "-t", INBOUND_TCP)
        self.connect_all(daemon, daemon.path)

    def test_hostile_connections_over_a_tap(self):
        """The guest has no addresses, so that its kernel keeps out of it; a bridge leads to a tap that hostile_tcp has opened."""
        guest = NamedGuest(self.host)
        self.addCleanup(guest.close)
        guest.run("sysctl", "-qw", "net.ipv6.conf.all.disable_ipv6=1", "net.ipv6.conf.default.disable_ipv6=1")
        daemon = Daemon(guest, "-t", INBOUND_TCP, "--workers", 2, uid=None, config_net=False, ports=("-u", "none", "-T", "none", "-U", "none"),
                        target=["--netns", guest.path, "--runas", 0])
        for command in ("link add br0 type bridge", "tuntap add dev ours mode tap", "link set ours mtu 65520 master br0 txqueuelen 100000 up",
                        "link set eth0 mtu 65520 master br0 txqueuelen 100000 up", "link set br0 up"):
            guest.run("ip", *command.split())
        self.connect_all(daemon, f"tap:{guest.path}:ours")

    def connect_all(self, daemon, path):
        before = descriptors(daemon.pid)
        self.run_client(path, "TAPIOCA_HOSTILE_TCP", "count", CONNECTIONS, "at-once", AT_ONCE)
        try:
            wait_until(lambda: descriptors(daemon.pid) == before, f"end of the flows: {before} before", 30)
        except TimeoutError as late:
            raise TimeoutError(f"{late}; {descriptors(daemon.pid)} now") from None
        counters, _ = daemon.counters()
        print({name: counters[name] for name in ("tcp_flows_opened", "tcp_flows_accepted", "tcp_flows_closed", "tcp_retransmits", "tcp_timeouts", "tcp_out_of_order")})
        self.assertEqual(counters["tcp_flows_opened"] + counters["tcp_flows_accepted"], counters["tcp_flows_closed"])
        self.assertEqual(counters["flow_quarantined"], 0)
        # a peer that takes a few octets after a pause leaves too little room for an event, and counts as one that was forgotten
        self.assertLessEqual(counters["tcp_stalls_recovered"], CONNECTIONS // 1000)
        self.assertEqual(daemon.stop(), 0, daemon.log())

    def test_exchanges_of_datagrams(self):
        for address in ("192.0.2.4/24", "192.0.2.5/24", "2001:db8::4/64", "2001:db8::5/64"):
            run("ip", "-n", self.host.remote, "addr", "add", address, "dev", "eth0", *(["nodad"] if ":" in address else []))
        for mtu in (1500, 65520):
            with self.subTest(mtu=mtu):
                daemon = Passt(self.host, "-u", INBOUND_UDP, "-m", mtu)
                before = descriptors(daemon.pid)
                self.run_client(daemon.path, "TAPIOCA_HOSTILE_UDP", "count", EXCHANGES, "at-once", 32, "patience", 10)
                counters, _ = daemon.counters()
                self.assertEqual(counters["flow_quarantined"], 0)
                if FULL:    # flows end by time alone
                    wait_until(lambda: time.sleep(1) or descriptors(daemon.pid) == before, f"end of the flows: {before} before", 400)
                self.assertEqual(daemon.stop(), 0, daemon.log())


if __name__ == "__main__":
    netns_test.main()
