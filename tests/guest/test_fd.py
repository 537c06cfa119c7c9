#!/usr/bin/env python3
"""A guest whose back-end and passt share a pair of connected sockets, as programs do that start both."""
import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import guest_test
import scenario
from passt import Passt, pair


class Descriptor(scenario.Checks, unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.host = scenario.start_world()
        ours, theirs = pair()
        with ours, theirs:
            cls.daemon = Passt(cls.host, "--quiet", *scenario.OPTIONS, connected=theirs)
            number = ours.fileno()
            theirs.close()
            cls.machine = scenario.boot(cls.host, scenario.image(cls.host), pass_fds=(number,),
                                        network=["-netdev", f"stream,id=n0,server=off,addr.type=fd,addr.str={number}", *scenario.card("n0")])
        scenario.configure(cls.machine, heed_mtu=True)

    @classmethod
    def tearDownClass(cls):
        cls.machine.close()
        cls.daemon.stop()
        cls.host.close()

    def test_z_the_daemon_ends_with_its_machine(self):
        self.assertIsNone(self.daemon.process.poll())
        self.machine.kill()
        self.assertEqual(self.daemon.process.wait(5), 0, self.daemon.log())


if __name__ == "__main__":
    guest_test.main()
