#!/usr/bin/env python3
"""Ports forwarded into the guest over the tap: single ports, ranges, both protocols and families, conflicts."""
import json
import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import cleanup
import netns_test
from guests import Guest, connected_guest
from hosts import HOST4, HOST6, PYTHON, REMOTE4, REMOTE6, USER, SimulatedHost

PORTS = ("-t", "8000", "-t", "8010-8019", "-u", "8000-8002", "-T", "none", "-U", "none")


class Inbound(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.host = SimulatedHost()
        cls.guest, cls.daemon = connected_guest(cls.host, ports=PORTS)
        cls.server = cls.guest.popen(PYTHON, f"{cls.host.dir}/services.py", stdout=-1)
        assert cls.server.stdout.readline() == "ready\n"

    @classmethod
    def tearDownClass(cls):
        cls.daemon.stop()
        cls.host.close()

    def remote_client(self, *argv):
        return json.loads(self.host.run_remote(PYTHON, f"{self.host.dir}/client.py", *argv).stdout)

    def exchange(self, port, address, length):
        """A server in the guest, a client far away, both sending at once; what the server saw."""
        server = self.guest.popen(PYTHON, f"{self.host.dir}/client.py", "listen", port, length, stdout=-1, stderr=-1)
        self.assertEqual(server.stderr.readline(), "listening\n")
        done = self.remote_client("both-ways", address, port, length)
        self.assertTrue(done["equal"], done)
        seen = json.loads(server.communicate(timeout=30)[0])
        self.assertTrue(seen["equal"], seen)
        return seen

    def test_a_port_in_both_families(self):
        for address, remote in ((HOST4, (REMOTE4, "192.0.2.1")), (HOST6, (REMOTE6, "2001:db8::1"))):
            with self.subTest(address=address):
                seen = self.exchange(8000, address, 16 << 20)
                self.assertIn(seen["peer"].removeprefix("::ffff:"), remote)

    def test_the_ends_of_a_range(self):
        for port in (8010, 8019):
            with self.subTest(port=port):
                self.exchange(port, HOST4, 1000)

    def test_ports_outside_are_closed(self):
        for port in (8001, 8009, 8020):
            with self.subTest(port=port):
                self.assertEqual(self.remote_client("connect", HOST4, port)["error"], "ECONNREFUSED")

    def test_a_port_on_which_the_guest_does_not_listen_ends_the_connection(self):
        done = self.remote_client("until-end", HOST4, 8015)
        self.assertIn(done["error"], ("ECONNRESET", "ECONNREFUSED"))

    def test_datagrams_in_both_families(self):
        for address in (HOST4, HOST6):
            with self.subTest(address=address):
                server = self.guest.popen(PYTHON, f"{self.host.dir}/client.py", "udp-server", 8001, 3, stdout=-1, stderr=-1)
                self.addCleanup(cleanup.end_process, server)
                self.assertEqual(server.stderr.readline(), "listening\n")
                echoed = self.remote_client("udp", address, 8001, 1, 1472, 9000)["echoed"]
                cleanup.end_process(server)
                self.assertEqual(echoed, [1, 1472, 9000])

    def test_a_busy_port_is_an_error_at_start(self):
        guest = Guest(self.host)
        done = self.host.run(self.host.binary(), "--config-net", "-t", "8000", "-u", "none", "-T", "none", "-U", "none", guest.pid, uid=USER, check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn("Address already in use", done.stderr)
        guest.close()

    def test_bad_specifications_are_refused(self):
        for spec in ("0", "70000", "9-8", "x", "80,", ""):
            with self.subTest(spec=spec):
                done = self.host.run(self.host.binary(), "-t", spec, "--", "true", uid=USER, check=False)
                self.assertEqual(done.returncode, 1)
                self.assertNotEqual(done.stderr, "")


if __name__ == "__main__":
    netns_test.main()
