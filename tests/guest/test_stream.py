#!/usr/bin/env python3
"""A guest connected by QEMU's own `-netdev stream`: what it must be able to do, and what passt must survive."""
import os
import signal
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import client
import guest_test
import scenario
from hosts import REMOTE4, REMOTE6, wait_until
from passt import Passt


def stream(path):
    return ["-netdev", f"stream,id=n0,server=off,addr.type=unix,addr.path={path}", *scenario.card("n0")]


class Stream(scenario.Checks, unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.host = scenario.start_world()
        cls.files = scenario.image(cls.host)
        cls.daemon = Passt(cls.host, *scenario.OPTIONS)
        cls.machine = scenario.boot(cls.host, cls.files, stream(cls.daemon.path))
        scenario.configure(cls.machine)

    @classmethod
    def tearDownClass(cls):
        cls.machine.close()
        status = cls.daemon.stop()
        cls.host.close()
        assert status == 0, cls.daemon.log()

    # Those below come last, in the order of their names: they stop, restart and replace the machine.

    def test_y_a_machine_that_stands_still_goes_on_where_it_was(self):
        """As when its user pauses it, or the host has no time for it."""
        transfer = self.machine.request(f"echo {3 * scenario.LENGTH} | nc {REMOTE4} 19 | sha256sum")
        for _ in range(3):
            time.sleep(0.3)
            os.kill(self.machine.process.pid, signal.SIGSTOP)
            time.sleep(1)
            self.daemon.counters()      # which are printed meanwhile
            os.kill(self.machine.process.pid, signal.SIGCONT)
        self.assertEqual(self.machine.answer(transfer).output.split()[0], client.expected(3 * scenario.LENGTH))

    def test_z1_after_a_reboot_the_guest_is_connected_again(self):
        seconds = self.machine.reboot()
        print(f"rebooted in {seconds:.1f} s", file=sys.stderr)
        scenario.configure(self.machine, heed_mtu=True)
        for address in (REMOTE4, REMOTE6):
            self.assertEqual(scenario.download(self.machine, address), client.expected(scenario.LENGTH))

    def test_z2_after_a_kill_in_mid_transfer_a_new_guest_is_served(self):
        for direction in (f"(echo 1000000000 | nc {REMOTE4} 19) >/dev/null", f"nc {REMOTE4} 9 </dev/zero >/dev/null"):
            with self.subTest(direction=direction):
                self.machine.run(f"{direction} &")
                time.sleep(1)
                self.machine.kill()
                type(self).machine = scenario.boot(self.host, self.files, stream(self.daemon.path))
                scenario.configure(self.machine)
                for address in (REMOTE4, REMOTE6):
                    self.assertEqual(scenario.download(self.machine, address), client.expected(scenario.LENGTH))


class OneOff(unittest.TestCase):
    """As libvirt does: passt goes into the background and ends with the machine."""

    def test_the_daemon_ends_with_its_machine(self):
        host = scenario.start_world()
        self.addCleanup(host.close)
        path, pid_path = f"{host.dir}/net.socket", f"{host.dir}/net.pid"
        host.run(host.binary("passt"), "--one-off", "--socket", path, "--pid", pid_path, "--tcp-ports", "8080:80", uid=10001)
        with open(pid_path) as f:
            pid = int(f.read())
        machine = scenario.boot(host, scenario.image(host), stream(path))
        scenario.configure(machine)
        self.assertEqual(scenario.download(machine, REMOTE4, 100000), client.expected(100000))
        self.assertTrue(os.path.exists(f"/proc/{pid}"))
        machine.kill()
        wait_until(lambda: not os.path.exists(f"/proc/{pid}"), "end of the daemon", 5)


if __name__ == "__main__":
    guest_test.main()
