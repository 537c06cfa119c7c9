#!/usr/bin/env python3
"""qrap and our own passt: the probe is answered, also right after a QEMU that was killed; the real QEMU takes what qrap gives it."""
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import cleanup
import netns_test
import qrap_world
from hosts import USER, SimulatedHost, wait_until

PORT = "bus=pcie.0,multifunction=on"


class QrapAndPasst(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.host = SimulatedHost()
        shutil.copy(qrap_world.binary(), cls.host.dir)
        with open(f"{cls.host.dir}/fake-qemu", "w") as file:
            file.write(qrap_world.FAKE_QEMU)
            os.fchmod(file.fileno(), 0o755)
        cls.socket = f"{cls.host.dir}/passt.socket"
        cls.passt = cls.host.popen(cls.host.binary("passt"), "-f", "-s", cls.socket, uid=USER, stderr=subprocess.PIPE)
        wait_until(lambda: os.path.exists(cls.socket), "passt")

    @classmethod
    def tearDownClass(cls):
        cls.host.close()

    def qrap(self, *argv, environment=(), **options):
        return self.host.popen("env", f"PASST_SOCKET={self.socket}", *environment, f"{self.host.dir}/qrap", *argv, uid=USER,
                               stderr=subprocess.PIPE, **options)

    def fake_qemu(self, number):
        """Starts qrap with a QEMU that stays; (the process, the path of its report)."""
        report = f"{self.host.dir}/report{number}"
        process = self.qrap("7", f"{self.host.dir}/fake-qemu", environment=["FAKE_FD=7", "FAKE_STAYS=1", f"FAKE_REPORT={report}"])
        return process, report

    def test_the_probe_is_answered(self):
        process, path = self.fake_qemu(0)
        wait_until(lambda: os.path.exists(path), "QEMU")
        report = json.load(open(path))
        self.assertNotIn("error", report)
        # A frame behind its length, as every frame is: at least as long as Ethernet asks for.
        self.assertGreaterEqual(int(report["first"][:8], 16), 60)
        cleanup.end_process(process)

    def test_a_guest_that_dies_behind_its_last_frame_is_not_served_for_ever(self):
        self.connect().close()
        for _ in range(3):
            guest = wait_until(self.served, "service")
            self.passt.send_signal(signal.SIGSTOP)      # so that the frame and the end come to it at once
            guest.sendall(b"\0\0\0\x0eto no protocol")      # an answer would find out that nobody is there
            guest.close()
            self.passt.send_signal(signal.SIGCONT)
        wait_until(self.served, "service").close()

    def connect(self):
        guest = socket.socket(socket.AF_UNIX)
        guest.connect(self.socket)      # waits while others wait; with a timeout set, Python would not
        guest.settimeout(5)
        return guest

    def served(self):
        """A connection that passt has greeted, or None if it turned us away."""
        guest = self.connect()
        try:
            if guest.recv(65536):
                return guest
        except ConnectionResetError:
            pass
        guest.close()

    def test_killed_and_started_again_within_three_milliseconds(self):
        for number in range(1, 6):
            begin = time.monotonic()
            process, path = self.fake_qemu(number)
            wait_until(lambda: os.path.exists(path), "QEMU")
            self.assertNotIn("error", json.load(open(path)))
            self.assertLess(time.monotonic() - begin, 3)
            process.send_signal(signal.SIGKILL)
        cleanup.end_process(process)

    @netns_test.needs("qemu-system-x86_64")
    def test_qemu_takes_its_arguments(self):
        for machine, devices in (
                ("pc-q35-7.2", [f"pcie-root-port,id=pci.3,chassis=1,{PORT},addr=0x2", f"pcie-root-port,id=pci.4,chassis=2,{PORT},addr=0x3",
                                "virtio-rng-pci,bus=pci.3,addr=0x0", "e1000e,netdev=n0,bus=pci.4"]),
                ("pc-q35-7.2", [f"pcie-root-port,id=pci.3,chassis=1,{PORT},addr=0x2",
                                '{"driver":"pcie-root-port","id":"pci.4","chassis":2,"bus":"pcie.0","addr":"0x3"}',
                                '{"driver":"virtio-rng-pci","bus":"pci.3","addr":"0x0"}', '{"driver":"e1000e","netdev":"n0","bus":"pci.4"}']),
                ("pc-i440fx-7.2", ["virtio-rng-pci,bus=pci.0,addr=0x2", "rtl8139,netdev=n0,bus=pci.0,addr=0x3"]),
                ("pc-i440fx-7.2", ['{"driver":"virtio-rng-pci","bus":"pci.0","addr":"0x2"}', '{"driver":"rtl8139","netdev":"n0"}'])):
            with self.subTest(machine=machine, devices=devices):
                words = [word for device in devices for word in ("-device", device)]
                process = self.qrap("-machine", machine, "-accel", "tcg", "-m", "64", "-nodefaults", "-display", "none", "-S",
                                    "-monitor", "stdio", "-netdev", "user,id=n0", *words, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
                out, err = process.communicate("info network\nquit\n", timeout=60)
                self.assertEqual(process.returncode, 0, err)
                self.assertRegex(out, r"(?s)type=nic,model=virtio-net-pci,[^\n]*\n[^\n]*hostnet0: [^\n]*type=socket", err)
                self.assertEqual(len(re.findall("type=nic", out)), 1)


if __name__ == "__main__":
    netns_test.main()
