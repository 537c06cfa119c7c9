#!/usr/bin/env python3
"""Seeing what it does: counters on SIGUSR1 and at the end, the capture file, the logs."""
import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import netns_test
from guests import Daemon, Guest, OnServingHost, connected_guest
from hosts import REMOTE4, REMOTE6, run, wait_until


class Counters(OnServingHost, unittest.TestCase):
    def test_counters_count_what_happened(self):
        guest, daemon = connected_guest(self.host)
        before, _ = daemon.counters()
        guest.client("download", REMOTE4, 10 << 20)
        guest.client("upload", REMOTE6, 10 << 20)
        total, _ = daemon.counters()
        total.subtract(before)
        self.assertEqual(total["tcp_flows_opened"], 2)
        for name in ("octets_from_guest", "octets_to_guest"):
            self.assertGreaterEqual(total[name], 10 << 20, name)
            self.assertLess(total[name], 12 << 20, name)
        self.assertEqual(daemon.stop(), 0)
        guest.close()

    def test_a_healthy_run_drops_nothing(self):
        """A guest's own talk with its link has names that alarm nobody."""
        guest = self.guest()
        guest.run("sysctl", "-qw", "net.ipv6.conf.all.accept_dad=1", "net.ipv6.conf.default.accept_dad=1")
        daemon = Daemon(guest)
        guest.client("download", REMOTE4, 1 << 20)
        guest.client("upload", REMOTE6, 1 << 20)
        names = ("ignored_group_membership", "ignored_router_solicitation")
        total = wait_until(lambda: (lambda t: all(t[name] for name in names) and t)(daemon.counters()[0]), "the guest's start to be over")
        self.assertEqual({name: count for name, count in total.items() if name.startswith("drop_")}, {})
        self.assertEqual(total["flow_end_finished"], 2)
        self.assertEqual(daemon.stop(), 0)

    def test_counters_are_told_to_whoever_asks_with_quiet_too(self):
        for options in (("--quiet",), ("--quiet", "--log-file", f"{self.host.dir}/quiet.log")):
            guest = self.guest()
            daemon = Daemon(guest, *options)
            if len(options) > 1:
                daemon.log_path = options[-1]
            guest.client("download", REMOTE4, 1000)
            self.assertEqual(daemon.log().count("counter"), 0)
            self.assertEqual(daemon.counters()[0]["tcp_flows_opened"], 1)
            self.assertEqual(daemon.stop(), 0)

    def test_counters_are_printed_at_the_end_with_debug(self):
        guest, daemon = connected_guest(self.host, "-d")
        guest.client("download", REMOTE6, 1000)
        self.assertEqual(daemon.stop(), 0)
        self.assertIn("counter ", daemon.log())
        guest.close()

    @netns_test.needs("tcpdump")
    def test_a_capture_is_readable_and_holds_both_directions(self):
        guest = Guest(self.host)
        capture = f"{self.host.dir}/tap.pcap"
        daemon = Daemon(guest, "--pcap", capture)
        guest.client("download", REMOTE4, 100000)
        guest.run("ping", "-c", "1", REMOTE6, check=False)
        self.assertEqual(daemon.stop(), 0)
        shown = run("tcpdump", "-nr", capture).stdout
        self.assertIn(f"> {REMOTE4}.19: Flags [S]", shown)
        self.assertRegex(shown, rf"IP {REMOTE4}\.19 > \S+: Flags \[S\.\]")
        self.assertIn("ICMP6, echo reply", shown)
        guest.close()

    def test_trace_says_more_than_debug_says_more_than_nothing(self):
        sizes = []
        for options in ((), ("-d",), ("--trace",)):
            guest, daemon = connected_guest(self.host, *options)
            guest.client("download", REMOTE4, 1000)
            daemon.stop()
            sizes.append(len(daemon.log()))
            guest.close()
        self.assertLess(sizes[0], sizes[1])
        self.assertLess(sizes[1], sizes[2])


if __name__ == "__main__":
    netns_test.main()
