#!/usr/bin/env python3
"""Guests that share their memory with passt by vhost-user, in a newer QEMU than this machine may have: with MSI-X, and started by hand."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "guest"))
import unittest

import debian13
import guest_test
import vhost_scenario


class Newer:
    @classmethod
    def find_place(cls):
        return debian13.Debian13(cls.host)

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
