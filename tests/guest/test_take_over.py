#!/usr/bin/env python3
"""--take-over with a real machine: neither QEMU nor the guest's kernel sees that the process behind their network card is another one."""
import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import client
import guest_test
import scenario
import vhost_scenario
from hosts import REMOTE4, REMOTE6
from succession import ReplacedPasst

TIMES = 10


class TakeOver:
    options = ()

    @classmethod
    def setUpClass(cls):
        cls.host = scenario.start_world()
        cls.files = scenario.image(cls.host)
        cls.daemon = ReplacedPasst(cls.host, *cls.options)
        cls.machine = scenario.boot(cls.host, cls.files, cls.network(cls.daemon.guest_path), **cls.memory())
        scenario.configure(cls.machine)

    @classmethod
    def tearDownClass(cls):
        cls.machine.close()
        status = cls.daemon.stop()
        cls.host.close()
        assert status == 0, cls.daemon.log()

    @classmethod
    def memory(cls):
        return {}

    def test_transfers_go_on(self):
        length = 5 * scenario.LENGTH
        for what in (f"echo {length} | nc {REMOTE4} 19 | sha256sum", f"echo {length} | nc {REMOTE6} 19 | tee /tmp/again | sha256sum",
                     f"nc {REMOTE4} 9 </tmp/again | tail -n 1"):
            with self.subTest(what):
                transfer = self.machine.request(what)
                for _ in range(TIMES):
                    self.daemon.replace()
                self.assertIn(client.expected(length), self.machine.answer(transfer, timeout=120).output)
        self.assertEqual(self.daemon.log().count("accepted connection from PID"), 1)
        print("pauses in ms:", *(round(1000 * p, 1) for p in sorted(self.daemon.pauses())), file=sys.stderr)
        scenario.configure(self.machine)


class Stream(TakeOver, unittest.TestCase):
    @classmethod
    def network(cls, path):
        return ["-netdev", f"stream,id=n0,server=off,addr.type=unix,addr.path={path}", *scenario.card("n0")]


class Vhost(TakeOver, unittest.TestCase):
    options = ("--vhost-user",)

    @classmethod
    def memory(cls):
        return {"memory": 256}

    @classmethod
    def network(cls, path):
        return [*vhost_scenario.shared_memory(256), *vhost_scenario.card(cls.host, path)]


if __name__ == "__main__":
    guest_test.main()
