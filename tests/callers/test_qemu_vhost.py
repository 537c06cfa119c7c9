#!/usr/bin/env python3
"""Guests that share their memory with passt by vhost-user, in a newer QEMU than this machine may have: with MSI-X, and started by hand."""
import os
import signal
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "guest"))
import debian13
import guest_test
import vhost_scenario
from machine import QEMU


class Newer:
    @classmethod
    def find_place(cls):
        return debian13.Debian13(cls.host)

    def tell_machine(self, signal_number):
        """The process that we started has entered the other system and waits there; it stops with its child, but does not go on with it."""
        self.place.run("sh", "-c", f"kill -{int(signal_number)} $(pgrep -f '^{QEMU}')", uid=None)
        if signal_number == signal.SIGCONT:
            self.machine.process.send_signal(signal_number)

    @classmethod
    def tearDownClass(cls):
        super().tearDownClass()
        cls.place.close()


class OneQueue(Newer, vhost_scenario.OneQueue, unittest.TestCase):
    pass


class TwoQueues(Newer, vhost_scenario.TwoQueues, unittest.TestCase):
    pass


if __name__ == "__main__":
    debian13.main(guest_test.missing)
