#!/usr/bin/env python3
"""QEMU's own back-end, -netdev passt, which starts our passt by itself; from Debian's backports, with the guest under emulation."""
import json
import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "guest"))
import debian13
import guest_test
import scenario
import vhost_scenario
from hosts import REMOTE4, wait_until
from machine import QEMU

PORTS = {"tcp-ports": [{"str": "8080:80"}, {"str": "9000"}]}
SAID = {"fqdn": "guest1.example.org", "param": [{"str": "--hostname"}, {"str": "guest1"}]}


class Qemu(scenario.Checks, debian13.Installed):
    options, memory, first = {}, [], ["--quiet"]
    world = staticmethod(scenario.start_world)

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        if "passt" not in cls.system.run(QEMU, "-netdev", "help").stdout.split():
            cls.tearDownClass()
            raise unittest.SkipTest("the tree's QEMU has no -netdev passt")
        cls.files = scenario.image(cls.host)
        cls.machine = cls.boot({**SAID, **PORTS})
        scenario.configure(cls.machine, heed_mtu=True)

    @classmethod
    def boot(cls, options):
        netdev = json.dumps({"type": "passt", "id": "n0", **cls.options, **options})
        return scenario.boot(cls.system, cls.files, [*cls.memory, "-netdev", netdev, *scenario.card("n0")])

    def test_y_a_daemon_that_dies_is_replaced(self):
        ((pid, words),) = self.daemons("passt")
        self.assertEqual((words[1:1 + len(self.first)], words[-2:]), (self.first, ["--fd", "3"]))
        self.system.run("kill", "-9", pid)
        wait_until(lambda: [p for p, _ in self.daemons("passt") if p != pid], "another passt")
        self.assertIn("1 packets received", self.machine.run(f"ping -c 1 -W 20 {REMOTE4}").output)

    def test_z_the_daemon_ends_with_its_machine(self):
        self.assertEqual(len(self.daemons("passt")), 1)
        self.system.run("sh", "-c", f"kill -9 $(pgrep -f '^{QEMU}')")
        self.machine.process.wait(20)
        self.machine.close()
        wait_until(lambda: not self.daemons("passt"), "end of passt")


class QemuVhost(Qemu):
    """The same by vhost-user, with the guest's memory shared."""
    options, memory, first = {"vhost-user": True}, vhost_scenario.shared_memory(192), ["--vhost-user", "--quiet"]

    test_y_a_daemon_that_dies_is_replaced = None        # QEMU does so for streams only

    def test_the_daemon_shares_memory(self):
        ((pid, words),) = self.daemons("passt")
        self.assertEqual(words[1:3], self.first)
        self.assertIn("/memfd:", self.system.run("cat", f"/proc/{pid}/maps", uid=None).stdout)


if __name__ == "__main__":
    debian13.main(guest_test.missing)
