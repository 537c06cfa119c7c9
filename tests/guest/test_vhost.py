#!/usr/bin/env python3
"""Guests that share their memory with passt by vhost-user, in the QEMU of this machine."""
import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import guest_test
import vhost_scenario


class OneQueue(vhost_scenario.OneQueue, unittest.TestCase):
    pass


class TwoQueues(vhost_scenario.TwoQueues, unittest.TestCase):
    pass


if __name__ == "__main__":
    guest_test.main()
