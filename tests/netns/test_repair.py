#!/usr/bin/env python3
"""passt-repair: what it connects to, what it does with the sockets that it is given, how it ends, and how little it may do meanwhile.

Upstream's, where TAPIOCA_PEERS has it, is given the same commands.
"""
import array
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import netns_test
from hosts import wait_until

BIN, PEERS = os.environ.get("TAPIOCA_BIN", ""), os.environ.get("TAPIOCA_PEERS", "")
OURS = os.path.join(BIN, "passt-repair")
TCP_REPAIR, MOST = 19, 253


def processor_time(pid):
    """In ticks."""
    fields = open(f"/proc/{pid}/stat").read().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


class Repair(unittest.TestCase):
    program, counts = OURS, (1, 2, MOST, MOST)

    def setUp(self):
        self.dir = tempfile.mkdtemp(prefix="tapioca-repair-")
        self.addCleanup(shutil.rmtree, self.dir, True)

    def start(self, *argv, user=None):
        as_user = ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups", "--inh-caps=-all", "--"] if user else []
        process = subprocess.Popen([*as_user, self.program, *argv], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.addCleanup(self.end, process)
        return process

    @staticmethod
    def end(process):
        if process.poll() is None:
            process.kill()
            process.wait()
        process.stdout.close()

    def server(self, name="x.repair", listen=True):
        s = socket.socket(socket.AF_UNIX)
        self.addCleanup(s.close)
        s.bind(os.path.join(self.dir, name))
        s.settimeout(5)
        if listen:
            s.listen()
        return s

    def accepted(self, server):
        connection, _ = server.accept()
        connection.settimeout(5)
        self.addCleanup(connection.close)
        return connection

    def command(self, connection, command, sockets):
        connection.sendmsg([bytes([command & 0xff])], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [s.fileno() for s in sockets]))])
        return connection.recv(8)

    def tcp_sockets(self, count):
        made = [socket.socket() for _ in range(count)]
        for s in made:
            self.addCleanup(s.close)
        return made

    def repaired(self, sockets):
        return [s.getsockopt(socket.IPPROTO_TCP, TCP_REPAIR) for s in sockets]

    def test_sets_and_clears_on_as_many_as_a_message_has(self):
        server = self.server()
        process = self.start(os.path.join(self.dir, "x.repair"))
        connection = self.accepted(server)
        for count in self.counts:
            sockets = self.tcp_sockets(count)
            self.assertEqual(self.command(connection, 1, sockets), b"\x01")
            self.assertEqual(self.repaired(sockets), [1] * count)
            self.assertEqual(self.command(connection, 0, sockets), b"\x00")
            self.assertEqual(self.repaired(sockets), [0] * count)
            self.command(connection, 1, sockets)
            self.assertEqual(self.command(connection, -1, sockets), b"\xff")
            self.assertEqual(self.repaired(sockets), [0] * count)
        connection.close()
        self.assertEqual(process.wait(5), 0, "the server has ended the connection")

    def test_closes_what_it_was_given(self):
        server = self.server()
        process = self.start(os.path.join(self.dir, "x.repair"))
        connection = self.accepted(server)
        for _ in range(20):
            self.command(connection, 1, self.tcp_sockets(100))
        self.assertLess(len(os.listdir(f"/proc/{process.pid}/fd")), 20)

    def test_waits_in_a_directory(self):
        process = self.start(self.dir)
        time.sleep(0.2)
        self.assertIsNone(process.poll())
        open(os.path.join(self.dir, "y.socket"), "w").close()
        self.command(self.accepted(self.server()), 1, self.tcp_sockets(1))

    def test_needs_one_argument(self):
        for argv in ((), ("a", "b")):
            process = self.start(*argv)
            self.assertEqual(process.wait(5), 2)
            self.assertIn("Usage", process.stdout.read())

    def test_refuses_what_is_no_socket(self):
        path = os.path.join(self.dir, "file")
        open(path, "w").close()
        self.assertEqual(self.start(path).wait(5), 2)
        self.assertEqual(self.start(os.path.join(self.dir, "none")).wait(5), 1)


class OursAlone(Repair):
    """What upstream's does not do, or not always."""

    def test_finds_a_socket_that_is_there_already(self):
        server = self.server()
        self.start(self.dir)
        self.command(self.accepted(server), 1, self.tcp_sockets(1))

    def test_finds_it_among_those_that_were_left_behind(self):
        for n in range(3):
            self.server(f"{n}.repair").close()
        server = self.server("y.repair")
        self.start(self.dir)
        self.command(self.accepted(server), 1, self.tcp_sockets(1))

    def test_a_socket_that_does_not_listen_yet_costs_no_processor(self):
        server = self.server(listen=False)
        process = self.start(self.dir)
        time.sleep(1)
        self.assertIsNone(process.poll())
        self.assertLess(processor_time(process.pid), 10, "ticks of 10 ms in a second")
        server.listen()
        self.command(self.accepted(server), 1, self.tcp_sockets(1))

    def test_a_socket_that_is_moved_there_is_found(self):
        process = self.start(self.dir)
        wait_until(lambda: "inotify" in " ".join(os.readlink(f"/proc/{process.pid}/fd/{fd}") for fd in os.listdir(f"/proc/{process.pid}/fd")), "a watch")
        server = self.server("x.tmp")
        os.rename(os.path.join(self.dir, "x.tmp"), os.path.join(self.dir, "x.repair"))
        self.command(self.accepted(server), 1, self.tcp_sockets(1))

    def test_the_end_of_the_directory_is_its_end(self):
        where = os.path.join(self.dir, "sub")
        os.mkdir(where)
        process = self.start(where)
        time.sleep(0.2)
        os.rmdir(where)
        self.assertEqual(process.wait(5), 1)
        self.assertIn("No such file", process.stdout.read())

    def test_a_path_that_is_too_long_is_named(self):
        process = self.start("/" + "x" * 120)
        self.assertEqual(process.wait(5), 2)
        self.assertIn("too long", process.stdout.read())

    def test_a_socket_that_refuses_is_named(self):
        self.server().close()
        process = self.start(os.path.join(self.dir, "x.repair"))
        self.assertEqual(process.wait(5), 1)
        self.assertIn("Connection refused", process.stdout.read())

    def test_without_the_right_it_says_so(self):
        os.chmod(self.dir, 0o755)
        server = self.server()
        os.chmod(os.path.join(self.dir, "x.repair"), 0o777)
        copy = os.path.join(self.dir, "passt-repair")
        with open(OURS, "rb") as program, open(copy, "wb") as out:
            out.write(program.read())
        os.chmod(copy, 0o755)
        self.program = copy
        process = self.start(os.path.join(self.dir, "x.repair"), user=10001)
        self.assertEqual(self.command(self.accepted(server), 1, self.tcp_sockets(1)), b"")
        self.assertEqual(process.wait(5), 1)
        self.assertIn("CAP_NET_ADMIN", process.stdout.read())

    def test_an_unknown_command_ends_it(self):
        server = self.server()
        process = self.start(os.path.join(self.dir, "x.repair"))
        self.assertEqual(self.command(self.accepted(server), 7, self.tcp_sockets(1)), b"")
        self.assertEqual(process.wait(5), 1)

    def test_it_keeps_one_capability_and_is_sealed(self):
        server = self.server()
        process = self.start(os.path.join(self.dir, "x.repair"))
        self.accepted(server)

        def statuses():
            return dict(line.split(":\t", 1) for line in open(f"/proc/{process.pid}/status").read().splitlines() if ":\t" in line)
        wait_until(lambda: int(statuses()["CapPrm"], 16) == 1 << 12, "end of the rights to search, which it gives up when it is connected")
        status = statuses()
        self.assertEqual(int(status["CapBnd"], 16), 0)
        self.assertEqual((status["NoNewPrivs"], status["Seccomp"]), ("1", "2"))

    def test_a_signal_to_stop_and_go_on_costs_nothing(self):
        process = self.start(self.dir)
        time.sleep(0.2)
        process.send_signal(signal.SIGSTOP)
        time.sleep(0.1)
        process.send_signal(signal.SIGCONT)
        self.command(self.accepted(self.server()), 1, self.tcp_sockets(1))


@unittest.skipUnless(os.access(os.path.join(PEERS, "passt-repair"), os.X_OK), "needs upstream's passt-repair in the directory TAPIOCA_PEERS")
class Upstreams(Repair):
    """It takes no more sockets than came beside the message before, and answers as if it had."""
    program, counts = os.path.join(PEERS, "passt-repair"), (MOST, MOST, 2, 1)


if __name__ == "__main__":
    netns_test.main()
