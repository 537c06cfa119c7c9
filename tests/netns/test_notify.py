#!/usr/bin/env python3
"""What a service manager is told by a program in the foreground: sd_notify(3) with a socket of the test in the manager's place."""
import contextlib
import itertools
import os
import signal
import socket
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import netns_test
from guests import NO_PORTS, Guest, OnSimulatedHost
from hosts import USER, wait_until
from inside import inside

_serial = itertools.count()


class Notify(OnSimulatedHost, unittest.TestCase):
    def setUp(self):
        self.number = next(_serial)

    @contextlib.contextmanager
    def manager(self, address):
        """The socket of a service manager. Abstract names belong to a network namespace: that of the program."""
        with inside(f"/run/netns/{self.host.name}"):
            s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        with s:
            s.settimeout(20)
            s.bind(address.replace("@", "\0", 1))
            if not address.startswith("@"):
                os.chmod(address, 0o777)
            yield s

    def start(self, program, *options, variable, **more):
        environment = [f"NOTIFY_SOCKET={variable}"] if variable else []
        return self.host.popen("env", *environment, self.host.binary(program), *options, uid=USER, **more)

    def path(self, name):
        return f"{self.host.dir}/{self.number}-{name}"

    def end(self, process):
        process.terminate()
        self.assertEqual(process.wait(20), 0)

    def test_passt_is_ready_when_its_socket_can_be_connected(self):
        with self.manager(self.path("notify")) as manager:
            passt = self.start("passt", "-f", "-q", "-s", self.path("guest"), "-P", self.path("pid"), variable=self.path("notify"))
            self.assertEqual(manager.recv(100), b"READY=1")
            with socket.socket(socket.AF_UNIX) as guest:
                guest.connect(self.path("guest"))
            with open(self.path("pid")) as f:
                self.assertEqual(int(f.read()), passt.pid)
            os.kill(passt.pid, signal.SIGTERM)
            self.assertEqual(manager.recv(100), b"STOPPING=1")
            self.assertEqual(passt.wait(20), 0)

    def test_an_abstract_socket_and_a_namespace(self):
        address = f"@tapioca-test-{os.getpid()}"
        guest = Guest(self.host)
        with self.manager(address) as manager:
            pasta = self.start("pasta", "-f", "-q", "--config-net", *NO_PORTS, str(guest.pid), variable=address)
            self.assertEqual(manager.recv(100), b"READY=1")
            self.assertIn(",UP,", guest.run("ip", "link", "show", "eth0").stdout)
            self.end(pasta)
            self.assertEqual(manager.recv(100), b"STOPPING=1")
        guest.close()

    def test_the_message_is_the_main_process_s_own(self):
        with self.manager(self.path("notify")) as manager:
            manager.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
            passt = self.start("passt", "-f", "-q", "-s", self.path("guest"), variable=self.path("notify"))
            _, ancillary, _, _ = manager.recvmsg(100, 100)
            self.assertEqual(int.from_bytes(ancillary[0][2][:4], sys.byteorder), passt.pid)
            self.end(passt)

    def test_the_command_of_pasta_is_no_service(self):
        with self.manager(self.path("notify")) as manager:
            shell = self.start("pasta", "--config-net", *NO_PORTS, "--", "sh", "-c", "echo ${NOTIFY_SOCKET-unset}; read line",
                               variable=self.path("notify"), stdin=-1, stdout=-1)
            self.assertEqual(manager.recv(100), b"READY=1")
            self.assertEqual(shell.stdout.readline(), "unset\n")
            shell.stdin.close()
            self.assertEqual(manager.recv(100), b"STOPPING=1")
            shell.wait(20)

    def test_in_the_background_the_parent_s_end_is_the_message(self):
        with self.manager(self.path("notify")) as manager:
            self.host.run("env", f"NOTIFY_SOCKET={self.path('notify')}", self.host.binary("passt"), "-q", "-s", self.path("guest"),
                          "-P", self.path("pid"), uid=USER)
            with open(self.path("pid")) as f:
                os.kill(int(f.read()), signal.SIGTERM)
            wait_until(lambda: not os.path.exists(f"/proc/{pid_in(self.path('pid'))}"), "end of the daemon")
            manager.setblocking(False)
            self.assertRaises(BlockingIOError, manager.recv, 100)

    def test_a_manager_that_is_not_there_is_a_warning(self):
        for variable in (self.path("nobody"), "@tapioca-nobody", "vsock:2:1", "/" + "x" * 200):
            with self.subTest(variable=variable), open(self.path("log"), "w+") as log:
                passt = self.start("passt", "-f", "-q", "-s", self.path("guest"), "-P", self.path("pid"), variable=variable, stderr=log)
                wait_until(lambda: os.path.exists(self.path("pid")) and os.path.getsize(self.path("pid")), "PID file", 20)
                self.end(passt)
                os.unlink(self.path("pid"))
                log.seek(0)
                self.assertIn("Couldn't connect to NOTIFY_SOCKET", log.read())

    def test_without_a_manager_there_is_nothing_to_say(self):
        done = self.host.run(self.host.binary(), "-q", "--config-net", *NO_PORTS, "--", "true", uid=USER)
        self.assertEqual(done.stderr, "")


def pid_in(path):
    with open(path) as f:
        return int(f.read())


if __name__ == "__main__":
    netns_test.main()
