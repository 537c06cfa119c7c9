#!/usr/bin/env python3
"""Daemons beside and after one another: many started at once, the next on the ports of the last, and those whose namespace goes."""
import os
import pathlib
import signal
import socket
import subprocess
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import netns_test
from guests import NO_PORTS, Daemon, Guest, NamedGuest, OnSimulatedHost
from hosts import HOST4, HOST6, REMOTE4, USER, known_part
from inside import exactly, guest_place, host_place, pair, remote_place
from passt import Passt, private_tmp

AT_ONCE, SOME = 20, 8


class AtOnce(OnSimulatedHost, unittest.TestCase):
    def finish(self, processes, timeout=60):
        """(status, standard output, standard error) of each."""
        return [(p.returncode, out, err) for p in processes for out, err in [p.communicate(timeout=timeout)]]

    def test_commands(self):
        """Each has a namespace of its own and reaches the world."""
        script = f"ping -c1 -W20 {REMOTE4} >/dev/null && readlink /proc/self/ns/net"
        done = self.finish([self.host.popen(self.host.binary(), "-q", "--config-net", "--", "sh", "-c", script, uid=USER, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
                            for _ in range(AT_ONCE)])
        self.assertEqual({(status, err) for status, _, err in done}, {(0, "")})
        self.assertEqual(len({out for _, out, _ in done}), AT_ONCE)

    def test_in_the_background_of_as_many_namespaces(self):
        guests = [self.guest() for _ in range(AT_ONCE)]
        files = [f"{self.host.dir}/{i}.pid" for i in range(AT_ONCE)]
        done = self.finish([self.host.popen(self.host.binary(), "-q", "--config-net", "--pid", file, "-t", f"{8000 + i}", *NO_PORTS[2:], guest.pid, uid=USER,
                                            stdout=subprocess.PIPE, stderr=subprocess.PIPE) for i, (file, guest) in enumerate(zip(files, guests))])
        self.assertEqual(set(done), {(0, "", "")})
        pids = [int(pathlib.Path(file).read_text()) for file in files]
        self.assertEqual(len(set(pids)), AT_ONCE)
        for i, guest in enumerate(guests):
            for end in pair(remote_place(self.host), guest_place(guest), HOST4, 8000 + i):
                end.close()
            os.kill(pids[i], signal.SIGTERM)

    def test_in_one_namespace(self):
        """The first has the interface; the others say why they cannot, and disturb nothing."""
        guest = self.guest()
        done = self.finish([self.host.popen(self.host.binary(), "-q", "--config-net", "-I", "tap0", "--pid", f"{self.host.dir}/{i}.pid", *NO_PORTS, guest.pid, uid=USER,
                                            stdout=subprocess.PIPE, stderr=subprocess.PIPE) for i in range(SOME)])
        self.assertEqual(sorted(status for status, _, _ in done), [0] + [1] * (SOME - 1))
        self.assertEqual({known_part(err) for _, _, err in done}, {"", "TUNSETIFF ioctl on /dev/net/tun failed: Device or resource busy\n"})
        written = [text for i in range(SOME) if (text := pathlib.Path(f"{self.host.dir}/{i}.pid").read_text())]
        self.assertEqual(len(written), 1)
        guest.run("ping", "-c1", "-W20", REMOTE4)
        os.kill(int(written[0]), signal.SIGTERM)

    def test_with_interfaces_of_their_own_in_one_namespace(self):
        guest = self.guest()
        done = self.finish([self.host.popen(self.host.binary(), "-q", "-I", f"tap{i}", *NO_PORTS, guest.pid, uid=USER, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
                            for i in range(SOME)])
        self.assertEqual(set(done), {(0, "", "")})
        shown = guest.run("ip", "-br", "link").stdout
        for i in range(SOME):
            self.assertIn(f"tap{i} ", shown)

    def test_sockets_without_a_name(self):
        """Each finds a path of its own, though all look for the first free one."""
        tmp = private_tmp(self.host)
        done = self.finish([self.host.popen(self.host.binary("passt"), "--pid", f"{self.host.dir}/{i}.pid", uid=USER, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
                            for i in range(SOME)])
        pids = [int(pathlib.Path(f"{self.host.dir}/{i}.pid").read_text()) for i in range(SOME)]
        try:
            self.assertEqual({status for status, _, _ in done}, {0})
            paths = {line.rpartition(" ")[2] for _, _, err in done for line in err.splitlines() if line.startswith("UNIX domain socket bound at ")}
            self.assertEqual(paths, {f"/tmp/passt_{i + 1}.socket" for i in range(SOME)})
            for path in paths:
                with socket.socket(socket.AF_UNIX) as s:
                    s.connect(tmp + path.removeprefix("/tmp"))
        finally:
            for pid in pids:
                os.kill(pid, signal.SIGTERM)


    def test_one_path(self):
        """Beginning with a dead socket, which everybody finds: one replaces it and serves there, and the others know."""
        path = f"{self.host.dir}/one.socket"
        with socket.socket(socket.AF_UNIX) as dead:
            dead.bind(path)
        os.chown(path, USER, USER)
        done = self.finish([self.host.popen(self.host.binary("passt"), "-q", "--one-off", "-s", path, uid=USER, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
                            for _ in range(SOME)])
        self.assertEqual(sorted((status, out, known_part(err)) for status, out, err in done), [(0, "", "")] + [(1, "", f"Socket path {path} already in use\n")] * (SOME - 1))
        with socket.socket(socket.AF_UNIX) as machine:
            machine.connect(path)


class Restart(OnSimulatedHost, unittest.TestCase):
    def test_on_the_same_ports_with_connections_open_and_closing(self):
        """Those that the daemon closed first are in TIME_WAIT, the others end with it; neither keeps the ports."""
        ports = ("-t", "8000-8003", "-u", "8000-8003", "-T", "9000", "-U", "9000")
        guest = self.guest()
        for round in range(3):
            daemon = Daemon(guest, "-q", ports=ports)
            here, there = guest_place(guest), host_place(self.host)
            held = []
            for client, server, address, port, bound in ((remote_place(self.host), here, HOST4, 8000, ""), (remote_place(self.host), here, HOST6, 8001, ""),
                                                         (there, here, "127.0.0.1", 8002, ""), (here, there, "127.0.0.1", 9000, "127.0.0.1")):
                ends = pair(client, server, address, port, server_address=bound)
                held += ends
                ends[0].sendall(b"there")
                self.assertEqual(exactly(ends[1], 5), b"there")
                closing = pair(client, server, address, port, server_address=bound)
                closing[1].close()
                self.assertEqual(closing[0].recv(1), b"")
                held.append(closing[0])
            daemon.process.send_signal(signal.SIGTERM if round else signal.SIGKILL)
            daemon.process.wait(10)
            for end in held:
                end.close()

    def test_passt_on_the_same_path_and_port(self):
        path = f"{self.host.dir}/again.socket"
        for number in (signal.SIGTERM, signal.SIGKILL, signal.SIGTERM):
            daemon = Passt(self.host, "-q", "-t", "8100", path=path)
            with socket.socket(socket.AF_UNIX) as machine, remote_place(self.host).connected(HOST4, 8100):
                machine.connect(path)
                daemon.process.send_signal(number)
                daemon.process.wait(10)


class Gone(OnSimulatedHost, unittest.TestCase):
    """The end of the namespace is the end of the daemon, with status 0."""

    def attached(self, path, *options):
        self.host.run("touch", path)
        self.guest_ = self.guest()
        self.host.run("mount", "--bind", f"/proc/{self.guest_.pid}/ns/net", path)
        self.addCleanup(self.host.run, "umount", "-l", path, check=False)
        return Daemon(self.guest_, *options, "--netns", path, "--userns", f"/proc/{self.guest_.pid}/ns/user", target=())

    def assert_told(self, daemon, path):
        self.assertEqual(daemon.process.wait(10), 0)
        self.assertIn(f"Namespace {path} is gone, exiting", daemon.log())

    def directory(self, name, mode):
        path = f"{self.host.dir}/{name}"
        os.mkdir(path, mode)
        os.chmod(path, mode)
        return path

    def test_a_path_that_is_removed(self):
        path = self.directory("removed", 0o755) + "/net"
        daemon = self.attached(path)
        self.host.run("umount", "-l", path)
        time.sleep(0.3)
        self.assertIsNone(daemon.process.poll(), "the name is still there")
        os.unlink(path)
        self.assert_told(daemon, path)

    def test_a_path_that_gets_another_name(self):
        path = self.directory("renamed", 0o755) + "/net"
        daemon = self.attached(path)
        self.host.run("umount", "-l", path)
        os.rename(path, path + "-other")
        self.assert_told(daemon, path)

    def test_a_directory_that_can_be_searched_but_not_read(self):
        """inotify is refused there, so the daemon looks again each second."""
        path = self.directory("unreadable", 0o711) + "/net"
        daemon = self.attached(path)
        time.sleep(1.5)
        self.assertIsNone(daemon.process.poll())
        self.host.run("umount", "-l", path)
        os.unlink(path)
        self.assert_told(daemon, path)

    def test_neighbours_of_the_name_do_not_matter(self):
        directory = self.directory("neighbours", 0o755)
        daemon = self.attached(f"{directory}/net")
        for name in ("net2", "ne", "other"):
            pathlib.Path(f"{directory}/{name}").touch()
            os.unlink(f"{directory}/{name}")
        time.sleep(0.5)
        self.assertIsNone(daemon.process.poll())
        self.assertEqual(daemon.stop(), 0)

    def test_a_named_namespace(self):
        guest = NamedGuest(self.host)
        daemon = Daemon(guest, "--netns", guest.name, target=(), uid=None)
        guest.close()
        self.assert_told(daemon, guest.path)

    def test_a_process(self):
        guest = Guest(self.host)
        daemon = Daemon(guest)
        guest.close()
        self.assert_told(daemon, f"/proc/{guest.pid}/ns/net")

    def test_a_process_that_ended_before(self):
        for options in ([], ["--netns-only"]):
            done = self.host.run(self.host.binary(), "--config-net", *options, "4194303", uid=USER, check=False)
            self.assertEqual(done.returncode, 1)
            self.assertRegex(known_part(done.stderr), r"^Couldn't open (user|network) namespace /proc/4194303/ns/(user|net): No such file or directory\n$")

    def test_a_name_that_nobody_has(self):
        done = self.host.run(self.host.binary(), "--config-net", "--netns", "nobody-has-this-name", uid=USER, check=False)
        self.assertEqual((done.returncode, known_part(done.stderr)), (1, "Couldn't open network namespace /run/netns/nobody-has-this-name: No such file or directory\n"))

    def test_a_file_that_is_no_namespace(self):
        done = self.host.run(self.host.binary(), "--config-net", *NO_PORTS, "--netns", "/etc/passwd", uid=USER, check=False)
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stderr, r"(?m)^Couldn't switch to pasta namespaces: .*$")


if __name__ == "__main__":
    netns_test.main()
