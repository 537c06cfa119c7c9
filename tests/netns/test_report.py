#!/usr/bin/env python3
"""tapioca report: one text for a report of a fault, on request without anybody's address or name."""
import os
import re
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import netns_test
from guests import Daemon, Guest
from hosts import HOST4, HOST6, RESOLVER4, RESOLVER6, USER, SimulatedHost


class Report(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.host = SimulatedHost()
        cls.log = f"{cls.host.dir}/secretlog"
        cls.daemon = Daemon(Guest(cls.host), "--log-file", cls.log, "--control", f"{cls.host.dir}/secretsocket", "--hostname", "secrethost",
                            ports=("-t", "8000:7000", "-u", f"{HOST4}/9000", "-T", "none", "-U", "none"))

    @classmethod
    def tearDownClass(cls):
        cls.daemon.stop()
        cls.host.close()

    def report(self, *words, status=0):
        done = self.host.run(self.host.binary("tapioca"), "report", *words, uid=USER, check=False)
        self.assertEqual(done.returncode, status, done.stderr)
        return done.stdout

    def test_it_tells_all_of_it(self):
        text = self.report()
        with open(self.log) as f:
            last = f.read().splitlines()[-1]
        for part in ("tapioca: ", "kernel: Linux", "distribution: ", f"Instance {self.daemon.pid}\n", f"--log-file {self.log}", 'mode: "pasta"',
                     "host TCP [*]:8000", "turns ", HOST4, "What doctor finds", "/dev/net/tun can be opened", last):
            self.assertIn(part, text)

    def test_anonymous_it_has_nobodys_address_or_name(self):
        text = self.report("--anonymous")
        for address in (HOST4, HOST6, RESOLVER4, RESOLVER6):
            self.assertNotIn(address, text)
        for name in ("secret", os.uname().nodename, "example.org", self.host.dir):
            self.assertNotIn(name, text)
        rule, = re.findall(r"host UDP \S*?(192\.[\d.]+)\]?:9000", text)
        self.assertIn(rule, text[text.index("addresses: "):].splitlines()[0])     # one address has one stand-in
        for part in ("host TCP [*]:8000", "turns ", "--hostname name-", "What doctor finds"):
            self.assertIn(part, text)

    def test_it_is_of_one_instance_where_one_is_named(self):
        self.assertIn(f"Instance {self.daemon.pid}\n", self.report("--control", f"{self.host.dir}/secretsocket"))
        self.report("1", status=1)
        self.report("--json", status=2)


if __name__ == "__main__":
    netns_test.main()
