#!/usr/bin/env python3
"""tapioca upgrade: a running instance is started anew by the command line that it had, and no connection ends."""
import contextlib
import json
import os
import re
import signal
import socket
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import netns_test
from guests import Daemon, Guest, OnSimulatedHost
from hosts import HOST4, REMOTE4, USER, has_ended, wait_until
from inside import guest_place, inside, remote_place
from passt import Passt, RelayedGuest
from succession import PORTS, unique_path


class Upgrade(OnSimulatedHost, unittest.TestCase):
    def setUp(self):
        self.served = self.guest()
        self.inner, self.outer = guest_place(self.served), remote_place(self.host)

    def daemon(self, *options, guest=None, ports=PORTS, control=True, **named):
        path = unique_path(self.host, "control")
        daemon = Daemon(guest or self.served, *(["--control", path] if control else []), *options, ports=ports, **named)
        self.addCleanup(daemon.stop)
        self.addCleanup(self.end_successor, daemon, path)
        daemon.path = path
        return daemon

    def end_successor(self, daemon, path):
        """The process that is in the place of one that we started: it is no child of ours, and known by its PID file."""
        with contextlib.suppress(FileNotFoundError, ValueError):
            with open(daemon.pid_path) as file:
                pid = int(file.read())
            if pid != daemon.pid and not has_ended(pid):
                os.kill(pid, signal.SIGTERM)
                wait_until(lambda: has_ended(pid), "end of the successor", 15)

    def upgrade(self, *words, uid=USER, check=True, environment=()):
        return self.host.run("env", *environment, self.host.binary("tapioca"), "upgrade", *words, uid=uid, check=check, timeout=90)

    def info(self, daemon):
        asked = self.host.run(self.host.binary("tapioca"), "ps", "--json", "--control", daemon.path, uid=USER)
        return json.loads(asked.stdout)

    def exchange(self, pair):
        for here, there in (pair, pair[::-1]):
            here.sendall(b"x" * 100)
            there.settimeout(20)
            self.assertEqual(len(there.recv(100)), 100)

    def connection(self):
        with self.outer.bound(REMOTE4, 0) as listener:
            client = self.inner.connected(REMOTE4, listener.getsockname()[1])
            server, _ = listener.accept()
        self.addCleanup(client.close)
        self.addCleanup(server.close)
        return client, server

    def replaced(self, said):
        return [(int(now), int(was)) for now, was in re.findall(r"^process (\d+) goes on in the place of (\d+), version [\w.]+$", said, re.M)]

    def test_connections_stay_and_options_too(self):
        daemon = self.daemon("--mtu", 4000)
        pair, before = self.connection(), self.info(daemon)
        was = daemon.pid
        for _ in range(3):
            (now, of), = self.replaced(self.upgrade(was).stdout)
            self.assertEqual(of, was)
            wait_until(lambda: has_ended(was), "end of the one before")
            with open(daemon.pid_path) as file:
                self.assertEqual(file.read(), f"{now}\n")
            self.exchange(pair)
            was = now
        after = self.info(daemon)
        changed = {key for key in before.keys() | after.keys() if before.get(key) != after.get(key)}
        self.assertEqual(changed, {"pid"})
        self.assertEqual(daemon.process.wait(5), 0)
        with self.inner.bound("", 7000) as listener, self.outer.connected(HOST4, 8000) as peer:
            listener.settimeout(20)
            self.exchange((peer, listener.accept()[0]))

    def test_a_passt_and_its_machine(self):
        path = unique_path(self.host, "control")
        daemon = Passt(self.host, "--control", path, *PORTS[:4])
        self.addCleanup(daemon.stop)
        self.addCleanup(self.end_successor, daemon, path)
        machine = RelayedGuest(self.host, daemon)
        self.addCleanup(machine.close)
        self.inner = guest_place(machine)
        pair, was = self.connection(), daemon.pid
        for _ in range(3):
            (now, of), = self.replaced(self.upgrade(was).stdout)
            self.assertEqual(of, was)
            self.exchange(pair)
            was = now
        self.exchange(self.connection())

    def test_by_name_and_by_socket_and_in_json(self):
        daemon = self.daemon()
        self.assertEqual(len(self.replaced(self.upgrade("--control", daemon.path).stdout)), 1)
        told = json.loads(self.upgrade("--json", self.info(daemon)["pid"]).stdout)
        self.assertEqual(told["pid"], self.info(daemon)["pid"])
        self.assertEqual(told["version"], told["was_version"])
        self.assertNotEqual(told["pid"], told["was"])
        self.assertEqual(self.replaced(self.upgrade().stdout)[0][1], told["pid"])     # the only one

    def test_all_of_them_and_each_is_reported(self):
        one, other = self.daemon(), self.daemon(guest=self.guest(), ports=("-t", "none", "-u", "none", "-T", "none", "-U", "none"))
        unseen = self.daemon(guest=self.guest(), ports=("-t", "none", "-u", "none", "-T", "none", "-U", "none"), control=False)
        done = self.upgrade(check=False)
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        self.assertIn("there are several instances: name one by its PID, or all of them as 'all'", done.stderr)
        done = self.upgrade("all", check=False)
        self.assertEqual(done.returncode, 1)
        self.assertEqual({was for _, was in self.replaced(done.stdout)}, {one.pid, other.pid})
        self.assertIn(f"tapioca: process {unseen.pid} goes on as it is: it can't be started anew: that needs --control PATH", done.stderr)
        self.assertIsNone(unseen.process.poll())

    def test_a_program_that_fails_costs_nothing(self):
        daemon = self.daemon()
        pair = self.connection()
        quits = unique_path(self.host, "quits")
        with open(quits, "w") as file:
            file.write("#!/bin/sh\necho not today >&2\nexit 1\n")
        os.chmod(quits, 0o755)
        for program, said in ((quits, "not today"), ("/nowhere/pasta", "couldn't start /nowhere/pasta in "), ("no-such-pasta", "couldn't start no-such-pasta in ")):
            with self.subTest(program=program):
                done = self.upgrade("--program", program, daemon.pid, check=False)
                self.assertEqual((done.returncode, done.stdout), (1, ""))
                self.assertIn(f"tapioca: process {daemon.pid} goes on as it is: {said}", done.stderr)
                self.assertIsNone(daemon.process.poll())
                self.exchange(pair)

    def test_the_reason_of_the_new_process_is_told(self):
        daemon = self.daemon()
        os.rename(daemon.path, daemon.path + ".away")
        done = self.upgrade(daemon.pid, check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn(f"process {daemon.pid} goes on as it is: Couldn't take over {daemon.path}", done.stderr)
        os.rename(daemon.path + ".away", daemon.path)
        self.assertEqual(len(self.replaced(self.upgrade(daemon.pid).stdout)), 1)

    def test_paths_lead_from_where_it_was_started(self):
        path = unique_path(self.host, "relative")
        daemon = self.daemon("--control", os.path.basename(path), control=False, prefix=("env", "-C", self.host.dir))
        daemon.path = path
        self.assertEqual(self.info(daemon)["control_path"], path)
        (now, _), = self.replaced(self.upgrade(daemon.pid).stdout)
        self.assertEqual(self.replaced(self.upgrade(now).stdout)[0][1], now)

    def test_descriptors_of_the_parent_process_are_nobody_else_s(self):
        end, path = unique_path(self.host, "end"), unique_path(self.host, "control")
        os.mkfifo(end)
        os.chmod(end, 0o666)
        daemon = Daemon(self.served, "--control", path, "--exit-fd", 9, prefix=("bash", "-c", 'exec 9<>"$0"; exec "$@"', end))
        self.addCleanup(daemon.stop)
        done = self.upgrade(daemon.pid, check=False)
        self.assertIn(f"process {daemon.pid} goes on as it is: it can't be started anew", done.stderr)

    def test_a_service_manager_is_told(self):
        address = unique_path(self.host, "notify")
        with inside(f"/run/netns/{self.host.name}"), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
            manager.settimeout(20)
            manager.bind(address)
            os.chmod(address, 0o777)
            daemon = self.daemon()
            service = [f"NOTIFY_SOCKET={address}", f"MAINPID={daemon.pid}"]
            (now, _), = self.replaced(self.upgrade(daemon.pid, environment=service).stdout)
            self.assertEqual(set(manager.recv(100).split(b"\n")), {b"READY=1", b"MAINPID=%d" % now})
            self.upgrade(now, environment=service)      # it is not the main process that this says
            manager.settimeout(0.5)
            with self.assertRaises(TimeoutError):
                manager.recv(100)

    def test_root_s_own(self):
        guest = Guest(self.host, uid=None)
        self.addCleanup(guest.close)
        daemon = self.daemon(guest=guest, uid=None, ports=("-t", "none", "-u", "none", "-T", "none", "-U", "none"))
        self.assertEqual(len(self.replaced(self.upgrade(daemon.pid, uid=None).stdout)), 1)

    def test_root_takes_no_user_s_place(self):
        daemon = self.daemon()
        done = self.upgrade(daemon.pid, uid=None, check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn(f"process {daemon.pid} goes on as it is: ", done.stderr)
        self.assertIsNone(daemon.process.poll())
        self.exchange(self.connection())


if __name__ == "__main__":
    netns_test.main()
