#!/usr/bin/env python3
"""A guest whose QEMU is started through qrap: connected by `-netdev socket,fd=`."""
import os
import shutil
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import client
import guest_test
import scenario
from hosts import REMOTE4, REMOTE6
from machine import QEMU, versioned_machine
from passt import Passt, private_tmp

QRAP = os.environ.get("TAPIOCA_QRAP", "")


class Patched(scenario.Checks, unittest.TestCase):
    """The command line of a management program that knows nothing of passt: qrap replaces its network card."""

    @classmethod
    def setUpClass(cls):
        cls.host = scenario.start_world()
        prepare(cls.host)
        cls.daemon = Passt(cls.host, *scenario.OPTIONS, path=None)
        others = ["-netdev", "user,id=old,restrict=on", "-device", "virtio-net-pci,netdev=old,bus=pci.0,addr=0x3",
                  "-device", "virtio-rng-pci,bus=pci.0,addr=0x2"]
        cls.machine = scenario.boot(cls.host, scenario.image(cls.host), others, program=(f"{cls.host.dir}/qrap",), machine=versioned_machine(),
                                    environment={"PATH": f"{cls.host.dir}/path:{cls.host.environment()['PATH']}"})
        scenario.configure(cls.machine)

    @classmethod
    def tearDownClass(cls):
        cls.machine.close()
        status = cls.daemon.stop()
        cls.host.close()
        assert status == 0, cls.daemon.log()

    def test_the_card_is_the_one_that_qrap_made(self):
        """The guest's bus 0 has the old card's place taken, by the card that hangs on the descriptor."""
        self.assertEqual(self.machine.output("cat", "/sys/class/net/eth0/device/device").strip(), "0x0001")
        slot = self.machine.run("readlink -f /sys/class/net/eth0/device/..").output.strip()
        self.assertTrue(slot.endswith("/0000:00:03.0"), slot)
        self.assertEqual(self.machine.run("ls /sys/class/net | grep -c eth").output.strip(), "1")


class Explicit(unittest.TestCase):
    """`qrap 5 qemu-system-x86_64 ... -netdev socket,fd=5`: the arguments stay as they are."""

    def test_start_kill_start(self):
        host = scenario.start_world()
        self.addCleanup(host.close)
        prepare(host)
        daemon = Passt(host, *scenario.OPTIONS, path=None)
        files = scenario.image(host)
        machine = None
        for attempt in range(2):
            # the second starts while passt may still be busy with the end of the first: qrap tries again
            if machine:
                machine.kill()
            network = ["-netdev", "socket,id=n0,fd=5", *scenario.card("n0")]
            machine = scenario.boot(host, files, network, program=(f"{host.dir}/qrap", "5", QEMU))
            scenario.configure(machine)
            for address in (REMOTE4, REMOTE6):
                self.assertEqual(scenario.download(machine, address, 100000), client.expected(100000))
        machine.close()
        self.assertEqual(daemon.stop(), 0, daemon.log())


def prepare(host):
    """qrap where the machine's user can run it, sockets in a /tmp of our own, and no hardware acceleration."""
    private_tmp(host)
    shutil.copy(QRAP, f"{host.dir}/qrap")
    os.mkdir(f"{host.dir}/path")
    os.chmod(f"{host.dir}/path", 0o755)
    os.symlink(shutil.which(QEMU), f"{host.dir}/path/kvm")


def missing():
    return "" if os.path.exists(QRAP) else "needs qrap, which this build does not hold"


if __name__ == "__main__":
    guest_test.main(missing)
