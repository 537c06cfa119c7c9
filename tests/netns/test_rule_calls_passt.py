#!/usr/bin/env python3
"""Forwarding rules of a machine's passt that change while it runs, by `tapioca rules`."""
import json
import os
import stat
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import cleanup
import netns_test
from hosts import HOST4, PYTHON, USER, SimulatedHost, wait_until
from passt import Passt, RelayedGuest
from rule_calls import ASK, SERVER


@unittest.skipUnless("TAPIOCA_RELAY" in os.environ, "needs TAPIOCA_RELAY, the program between passt and a namespace")
class RuleCallsOfPasst(unittest.TestCase):
    """A machine has no side of its own where ports could be listened at."""

    def test_a_port_of_a_machine(self):
        host = SimulatedHost()
        self.addCleanup(host.close)
        os.chmod(host.dir, stat.S_IMODE(os.stat(host.dir).st_mode) | 0o777)
        path = f"{host.dir}/control"
        daemon = Passt(host, "--control", path)
        guest = RelayedGuest(host, daemon)
        server = guest.popen(PYTHON, "-c", SERVER, 7000, stdout=-1)
        self.addCleanup(cleanup.end_process, server)
        server.stdout.readline()
        tapioca = lambda *words: host.run(host.binary("tapioca"), "rules", *words, "-c", path, uid=USER, check=False)
        self.assertEqual(tapioca("add", "-t", "8001:7000").returncode, 0)
        wait_until(lambda: host.run_remote(PYTHON, "-c", ASK, HOST4, 8001, "tcp", 500, check=False).stdout == "answered\n", "answer by the new port")
        rule, = json.loads(tapioca("--json").stdout)["rules"]
        self.assertGreaterEqual(rule["octets_from_guest"], 500)
        for words, why in ((("-T", "8001"), "there is no namespace to listen in"), (("-t", "auto"), "only allowed for pasta")):
            refused = tapioca("add", *words)
            self.assertEqual(refused.returncode, 1)
            self.assertIn(why, refused.stderr)
        self.assertIsNone(daemon.process.poll(), daemon.log())
        self.assertEqual(daemon.stop(), 0)


if __name__ == "__main__":
    netns_test.main()
