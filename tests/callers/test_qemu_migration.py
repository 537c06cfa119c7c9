#!/usr/bin/env python3
"""A virtual machine of QEMU's migrates between two hosts that have the same addresses, and its TCP connections with it: QEMU moves what
passt says of itself (SET_DEVICE_STATE_FD), and passt-repair freezes the sockets. The guest stays paused until the world sees the second host."""
import contextlib
import itertools
import os
import socket
import sys
import threading
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "support"), os.path.join(HERE, "..", "guest")]
import cleanup
import client
import debian13
import guest_test
import scenario
import vhost_scenario
from hosts import HOST4, REMOTE4, REMOTE6, wait_until
from machine import Machine
from migration import MovingHosts, helper
from passt import Passt
from qmp import Qmp

MEMORY = 192
LENGTH = 3_000_000
_serial = itertools.count()


class Arriving(Machine):
    """A machine that waits for another one's state, and whose guest runs already then."""

    def wait_for_boot(self, timeout=60):
        wait_until(self._has_channel, "channel to the guest that is to arrive", timeout)
        return 0

    def _has_channel(self):
        with contextlib.suppress(TimeoutError):
            self._channel = self._listener.accept()[0]
        return self._channel is not None


class Between(threading.Thread):
    """Carries the state from one QEMU to the other, whose files neither sees. cut: the connection ends after so many octets."""

    def __init__(self, source, target, cut=None):
        super().__init__(daemon=True)
        self.target, self.cut = target, cut
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(source)
        os.chmod(source, 0o666)
        self.listener.listen()
        self.start()

    def run(self):
        here = self.listener.accept()[0]
        there = socket.socket(socket.AF_UNIX)
        there.connect(self.target)
        back = threading.Thread(target=self.copy, args=(there, here, None), daemon=True)
        back.start()
        self.copy(here, there, self.cut)
        back.join()

    @staticmethod
    def copy(source, sink, cut):
        done = 0
        with contextlib.suppress(OSError):
            while octets := source.recv(1 << 16):
                sink.sendall(octets)
                done += len(octets)
                if cut is not None and done > cut:
                    source.shutdown(socket.SHUT_RDWR)
                    break
            sink.shutdown(socket.SHUT_WR)


class Migration(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.moving = MovingHosts()
        cls.addClassCleanup(cls.moving.close)
        cls.hosts = cls.moving.hosts
        cls.hosts[0].start_services()
        cls.places = [debian13.Debian13(host) for host in cls.hosts]
        for place in cls.places:
            cls.addClassCleanup(place.close)
        cls.files = [scenario.image(host) for host in cls.hosts]

    def setUp(self):
        self.moving.wire(0)
        self.daemons = [Passt(host, "--vhost-user", "-t", "8080:80") for host in self.hosts]
        for daemon in self.daemons:
            self.addCleanup(daemon.stop)

    def help(self, number, path=None):
        process = helper(self.hosts[number], os.path.join(os.environ["TAPIOCA_BIN"], "passt-repair"), path or self.daemons[number].path + ".repair")
        self.addCleanup(cleanup.end_process, process)
        wait_until(lambda: "TCP_REPAIR helper" in self.daemons[number].log(), "helper at the daemon")

    def machine(self, number, kind, *more):
        monitor = f"{self.hosts[number].dir}/monitor{next(_serial)}"
        network = [*vhost_scenario.shared_memory(MEMORY), *vhost_scenario.card(self.places[number], self.daemons[number].path),
                   "-qmp", f"unix:{monitor},server=on,wait=off", *more]
        machine = kind(self.places[number], *self.files[number], network, memory=MEMORY)
        self.addCleanup(machine.close)
        qmp = Qmp(monitor)
        self.addCleanup(qmp.close)
        return machine, qmp

    def begin(self):
        """A guest with its addresses, and a machine on the other host that waits for it."""
        self.source, self.monitor = self.machine(0, Machine)
        scenario.configure(self.source)
        self.incoming = f"{self.hosts[1].dir}/incoming{next(_serial)}"
        self.target, self.other_monitor = self.machine(1, Arriving, "-S", "-incoming", f"unix:{self.incoming}")

    def migrate(self, cut=None):
        """What QEMU says has become of it."""
        outgoing = f"{self.hosts[0].dir}/outgoing{next(_serial)}"
        Between(outgoing, self.incoming, cut)
        self.monitor.command("migrate", uri=f"unix:{outgoing}")
        states = ("completed", "failed", "cancelled")
        wait_until(lambda: self.monitor.command("query-migrate").get("status") in states, "end of the migration", 180)
        return self.monitor.command("query-migrate")

    def arrive(self):
        """The world sees the second host from now on, and the guest runs there."""
        wait_until(lambda: self.other_monitor.command("query-status")["status"] == "paused", "guest at the other host", 60)
        self.moving.wire(1)
        self.other_monitor.command("cont")

    def converse(self, machine, number, address):
        """A connection that echoes what is written to /tmp/inN."""
        machine.run(f"mkfifo /tmp/in{number}; (sleep 3000 >/tmp/in{number}) >/dev/null 2>&1 & (nc {address} 7 </tmp/in{number} >/tmp/out{number} 2>&1; echo over >/tmp/over{number}) >/dev/null 2>&1 &")
        self.says(machine, number, "before")

    def says(self, machine, number, word):
        machine.run(f"echo {word} >/tmp/in{number}")
        wait_until(lambda: word in machine.run(f"cat /tmp/out{number} 2>/dev/null", check=False).output, f"echo of '{word}'", 30)

    def is_over(self, machine, number):
        return machine.run(f"test -e /tmp/over{number}", check=False).status == 0

    def goes_with_its_connections(self):
        self.begin()
        for number, address in enumerate((REMOTE4, REMOTE6)):
            self.converse(self.source, number, address)
        self.source.run(f"(echo {LENGTH} | nc {REMOTE4} 19 | sha256sum >/tmp/down) >/dev/null 2>&1 & "
                        f"(dd if=/dev/zero bs=1000 count={LENGTH // 1000} 2>/dev/null | nc {REMOTE6} 9 >/tmp/up) >/dev/null 2>&1 &")
        self.assertEqual(self.migrate()["status"], "completed", self.daemons[0].log()[-900:])
        self.arrive()
        for number in range(2):
            self.says(self.target, number, "afterwards")
            self.assertFalse(self.is_over(self.target, number))
        wait_until(lambda: self.target.run("test -s /tmp/down -a -s /tmp/up", check=False).status == 0, "end of the transfers", 120)
        self.assertEqual(self.target.run("cat /tmp/down").output.split()[0], client.expected(LENGTH))
        self.assertEqual(self.target.run("cat /tmp/up").output.split()[0], str(LENGTH))
        self.target.run("mkdir -p /tmp/www; echo a page >/tmp/www/index.html; httpd -p 80 -h /tmp/www")
        self.assertEqual(self.hosts[0].run_remote("curl", "-sS", "--max-time", "20", f"http://{HOST4}:8080/").stdout, "a page\n")

    def test_with_a_helper_on_either_host(self):
        for number in range(2):
            self.help(number)
        self.goes_with_its_connections()

    def test_with_helpers_that_look_into_a_directory(self):
        """As KubeVirt starts it on the target: before passt is there, or behind it."""
        for number in range(2):
            self.help(number, self.hosts[number].dir)
        self.goes_with_its_connections()

    def test_without_a_helper_the_guest_goes_alone(self):
        self.begin()
        self.converse(self.source, 0, REMOTE4)
        self.assertEqual(self.migrate()["status"], "completed", self.daemons[0].log()[-900:])
        self.arrive()
        self.target.run("echo word >/tmp/in0")
        wait_until(lambda: self.is_over(self.target, 0), "end of the connection", 60)
        self.converse(self.target, 1, REMOTE4)

    def test_a_migration_that_fails_and_one_that_is_undone(self):
        """The guest goes on where it was, with its connections."""
        for number in range(2):
            self.help(number)
        self.begin()
        self.converse(self.source, 0, REMOTE4)
        self.converse(self.source, 1, REMOTE6)
        self.assertEqual(self.migrate(cut=1_000_000)["status"], "failed")
        for number in range(2):
            self.says(self.source, number, "failed")
        self.target, self.other_monitor = self.machine(1, Arriving, "-S", "-incoming", f"unix:{self.incoming}2")
        self.incoming += "2"
        self.assertEqual(self.migrate()["status"], "completed", self.daemons[0].log()[-900:])
        self.monitor.command("cont")
        for number in range(2):
            self.says(self.source, number, "undone")
            self.assertFalse(self.is_over(self.source, number))


if __name__ == "__main__":
    debian13.main(guest_test.missing)
