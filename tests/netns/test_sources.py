#!/usr/bin/env python3
"""Which source and destination a server in the guest sees of a client on the host's loopback, on the host, and far away."""
import json
import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import netns_test
from guests import OnSimulatedHost, connected_guest
from hosts import HOST4, HOST6, PYTHON, REMOTE4, REMOTE6, ROUTER4

PORT = 8001
PORTS = ("-t", PORT, "-u", PORT, "-T", "none", "-U", "none")
GATEWAY6, FREE4, FREE6 = "fe80::1", "192.0.2.200", "2001:db8::200"
LINK_LOCAL = "the guest's link-local address"


class Sources(OnSimulatedHost, unittest.TestCase):
    def start(self, *options):
        guest, daemon = connected_guest(self.host, "--no-splice", "--debug", *options, ports=PORTS)
        self.addCleanup(guest.close)
        self.addCleanup(lambda: self.assertEqual(daemon.stop(), 0))
        server = guest.popen(PYTHON, f"{self.host.dir}/client.py", "who-server", PORT, stderr=-1)
        self.assertEqual(server.stderr.readline(), "listening\n")
        addresses = json.loads(guest.run("ip", "-j", "-6", "addr", "show", "scope", "link").stdout)
        self.link_local = next(a["local"] for device in addresses for a in device.get("addr_info", ()) if "local" in a)
        return daemon

    def ask(self, run, protocol, *argv):
        done = run(PYTHON, f"{self.host.dir}/client.py", "who", protocol, *argv, check=False)
        if done.returncode:
            return "refused" if "ConnectionRefused" in done.stderr or "ConnectionReset" in done.stderr else "silence"
        return json.loads(done.stdout)

    def check(self, run, source, address, seen_source, seen_destination, protocols=("tcp", "udp")):
        for protocol in protocols:
            with self.subTest(protocol=protocol, source=source, to=address):
                seen = self.ask(run, protocol, address, PORT, *([source] if source else []))
                self.assertIsInstance(seen, dict, seen)
                destination = self.link_local if seen_destination is LINK_LOCAL else seen_destination
                self.assertEqual((seen["source"], seen["destination"], seen["answered"]), (seen_source, destination, address))

    def check_remote(self):
        """A client far away is always itself."""
        self.check(self.host.run_remote, REMOTE4, HOST4, REMOTE4, HOST4)
        self.check(self.host.run_remote, REMOTE6, HOST6, REMOTE6, HOST6)

    def test_by_default_the_host_is_the_gateway(self):
        daemon = self.start()
        for source, address in ((None, "127.0.0.1"), ("127.0.0.9", "127.0.0.1"), (None, "127.0.0.5"), (HOST4, HOST4)):
            self.check(self.host.run, source, address, ROUTER4, HOST4)
        for address in ("::1", HOST6):
            self.check(self.host.run, None, address, GATEWAY6, LINK_LOCAL)
        self.check_remote()
        self.assertRegex(daemon.log(), rf"Flow opened: TCP \[{HOST4}\]:{PORT} -> \[{REMOTE4}\]:\d+, accepted at \[{HOST4}\]:{PORT}")
        self.assertRegex(daemon.log(), rf"Flow opened: UDP \[{HOST4}\]:{PORT} -> \[{ROUTER4}\]:\d+, accepted at \[127.0.0.5\]:{PORT}")

    def test_without_a_mapping_the_host_is_the_gateway_all_the_same(self):
        self.start("--no-map-gw")
        for source, address in ((None, "127.0.0.1"), ("127.0.0.9", "127.0.0.1"), (HOST4, HOST4)):
            self.check(self.host.run, source, address, ROUTER4, HOST4)
        self.check(self.host.run, None, "::1", GATEWAY6, LINK_LOCAL)
        self.check_remote()

    def test_an_address_for_the_hosts_loopback(self):
        self.start("--map-host-loopback", FREE4, "--map-host-loopback", FREE6)
        self.check(self.host.run, None, "127.0.0.1", FREE4, HOST4)
        self.check(self.host.run, "127.0.0.9", "127.0.0.1", ROUTER4, HOST4)
        self.check(self.host.run, HOST4, HOST4, ROUTER4, HOST4)
        self.check(self.host.run, None, "::1", FREE6, HOST6)
        self.check(self.host.run, None, HOST6, GATEWAY6, LINK_LOCAL)
        self.check_remote()

    def test_an_address_for_the_hosts_copy_of_the_guests(self):
        self.start("--map-guest-addr", FREE4, "--map-guest-addr", FREE6)
        self.check(self.host.run, None, "127.0.0.1", ROUTER4, HOST4)
        self.check(self.host.run, HOST4, HOST4, FREE4, HOST4)
        self.check(self.host.run, None, "::1", GATEWAY6, LINK_LOCAL)
        self.check(self.host.run, None, HOST6, FREE6, HOST6)
        self.check_remote()

    def test_an_address_of_its_own_for_the_guest_lets_it_see_the_host_as_itself(self):
        self.start("-a", "192.0.2.77/24", "-g", ROUTER4, "-a", "2001:db8::77", "-g", "2001:db8::1")
        self.check(self.host.run, HOST4, HOST4, HOST4, "192.0.2.77")
        self.check(self.host.run, None, "127.0.0.1", ROUTER4, "192.0.2.77")
        self.check(self.host.run, None, HOST6, HOST6, "2001:db8::77")
        self.check(self.host.run, None, "::1", "2001:db8::1", "2001:db8::77")
        self.check(self.host.run_remote, REMOTE4, HOST4, REMOTE4, "192.0.2.77")
        self.check(self.host.run_remote, REMOTE6, HOST6, REMOTE6, "2001:db8::77")


if __name__ == "__main__":
    netns_test.main()
