#!/usr/bin/env python3
"""Where a daemon says what happens: a file that never outgrows its limit, syslog, and standard error while there is a caller."""
import contextlib
import os
import pathlib
import re
import signal
import socket
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import netns_test
from guests import NO_PORTS, Daemon, Guest, OnSimulatedHost
from hosts import REMOTE4, REMOTE6, USER, known_part, wait_until
from inside import Task, guest_place, host_place
from passt import Passt

SMALLEST = 40960
# A /dev of its own with what the daemon needs; "$1" is the name that /dev/log leads to, or empty for none.
DEVICES = """set -e
mount -t tmpfs -o mode=755 tmpfs /dev
mknod -m 666 /dev/null c 1 3
mkdir /dev/net
mknod -m 666 /dev/net/tun c 10 200
[ -z "$1" ] || ln -s "$1" /dev/log
shift
exec setpriv --reuid=10001 --regid=10001 --clear-groups -- "$@"
"""


class Log(OnSimulatedHost, unittest.TestCase):
    def name(self, suffix):
        return f"{self.host.dir}/{time.monotonic_ns()}.{suffix}"

    def read(self, path):
        return pathlib.Path(path).read_text(errors="replace")

    # ---- the file

    def test_the_first_line_names_program_and_process(self):
        for kind, program in ((lambda *o: Daemon(self.guest(), *o), "pasta"), (lambda *o: Passt(self.host, *o), "passt")):
            with self.subTest(program=program):
                path = self.name("log")
                daemon = kind("--log-file", path)
                first, *others = self.read(path).splitlines()
                self.assertRegex(first, rf"^{program} [^:]+: {re.escape(self.host.dir)}/{program} \({daemon.pid}\)$")
                for line in others:
                    self.assertRegex(line, r"^\d+\.\d{4}: (info:    |WARNING: |ERROR:   |         )")
                self.assertTrue(any("NAT to host" in line for line in others))
                self.assertEqual(daemon.stop(), 0)

    def test_it_is_private_and_begins_anew(self):
        path = self.name("log")
        pathlib.Path(path).write_text("what an earlier one left\n" * 100)
        os.chown(path, USER, USER)
        Daemon(self.guest(), "-l", path).stop()
        self.assertNotIn("earlier", self.read(path))
        fresh = self.name("log")
        self.host.run("sh", "-c", 'umask 0; exec "$@"', "sh", self.host.binary(), "-l", fresh, "--config-net", "--", "true", uid=USER)
        self.assertEqual(os.stat(fresh).st_mode & 0o7777, 0o600)

    def test_quiet_files_have_the_first_line_alone(self):
        path = self.name("log")
        Daemon(self.guest(), "-q", "-l", path).stop()
        self.assertEqual(len(self.read(path).splitlines()), 1)

    def test_a_command_has_the_terminal_and_the_log_has_the_rest(self):
        path = self.name("log")
        done = self.host.run(self.host.binary(), "--debug", "--stderr", "-l", path, "--config-net", "--", "echo", "said", uid=USER)
        self.assertEqual(done.stdout, "said\n")
        self.assertIn("WARNING: --stderr", self.read(path))

    def test_the_end_of_the_namespace_is_told(self):
        path = self.name("log")
        guest = Guest(self.host)
        daemon = Daemon(guest, "-l", path)
        guest.close()
        self.assertEqual(daemon.process.wait(10), 0)
        self.assertRegex(self.read(path).splitlines()[-1], rf"info:    Namespace /proc/{guest.pid}/ns/net is gone, exiting$")

    def test_it_is_cut_before_it_outgrows_its_limit(self):
        path = self.name("log")
        guest = self.guest()
        daemon = Daemon(guest, "--log-size", SMALLEST, "-l", path)
        self.count_something(guest)
        first = self.read(path).splitlines()[0]
        heads = set()

        def cut_twice():
            os.kill(daemon.pid, signal.SIGUSR1)
            self.assertLessEqual(os.path.getsize(path), SMALLEST)
            with open(path, errors="replace") as f:
                heads.add(f.readline())
            return len(heads) > 2
        wait_until(cut_twice, "second cut", 60)
        self.assertEqual(daemon.stop(), 0)
        lines = self.read(path).splitlines()
        self.assertRegex(lines[0], rf"^{re.escape(first)} - log truncated at \d+\.\d{{4}}$")
        self.assertGreater(os.path.getsize(path), SMALLEST // 2, "the younger part is kept")
        times = [float(line.split(": ")[0]) for line in lines[1:]]
        self.assertEqual(times, sorted(times), "no line is cut in the middle")

    def count_something(self, guest):
        """Traffic of several kinds, so that a report of the counters has many lines."""
        place = guest_place(guest)
        for address in (REMOTE4, REMOTE6):
            guest.run("ping", "-c1", "-W5", address)
            with self.assertRaises(ConnectionRefusedError):
                place.connected(address, 9)
            with place.connected(address, 9, socket.SOCK_DGRAM) as s:
                s.send(b"anybody?")

    def test_a_limit_that_is_too_small_is_refused(self):
        for word in (SMALLEST - 1, "0", "-1", "x", "", "40960x"):
            with self.subTest(word=word):
                done = self.host.run(self.host.binary(), "-l", self.name("log"), "--log-size", word, "--", "true", uid=USER, check=False)
                self.assertEqual((done.returncode, known_part(done.stderr)), (1, f"Invalid --log-size: {word}\n"))

    def test_files_are_opened_as_whoever_started_it(self):
        """In a directory that only root may search, by a daemon that is an ordinary user when it runs."""
        private = self.name("private")
        os.mkdir(private, 0o700)
        guest = self.guest()
        daemon = Daemon(guest, "--runas", f"{USER}:{USER}", "--log-file", f"{private}/log", "--pcap", f"{private}/pcap", uid=None)
        self.assertIn(f"({daemon.pid})", self.read(f"{private}/log").splitlines()[0])
        for name in ("log", "pcap"):
            self.assertEqual(os.stat(f"{private}/{name}").st_uid, 0)
        guest.run("ping", "-c1", "-W5", REMOTE4)
        self.assertGreater(os.path.getsize(f"{private}/pcap"), 24 + 2 * 98, "both frames")
        size = os.path.getsize(f"{private}/log")
        os.kill(daemon.pid, signal.SIGUSR1)
        wait_until(lambda: os.path.getsize(f"{private}/log") > size, "report in the file")
        self.assertEqual(daemon.stop(), 0)

    def test_a_file_that_cannot_be_opened_ends_the_start(self):
        for option, what in (("--log-file", "log"), ("--pid", "PID")):
            for path, why in ((f"{self.host.dir}/none/file", "No such file or directory"), (self.host.dir, "Is a directory")):
                for program in ("pasta", "passt"):
                    with self.subTest(option=option, path=path, program=program):
                        done = self.host.run(self.host.binary(program), option, path, uid=USER, check=False)
                        self.assertEqual((done.returncode, done.stdout), (1, ""))
                        self.assertEqual(done.stderr, f"Couldn't open {what} file {path}: {why}\n")

    # ---- syslog

    def receiver(self):
        """A socket in the place of syslog's, and the list of what it gets."""
        path = self.name("syslog")
        s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        s.bind(path)
        os.chmod(path, 0o777)
        self.addCleanup(s.close)
        return s, path

    def reading(self, s):
        got = []

        def read():
            with contextlib.suppress(OSError):
                while True:
                    got.append(s.recv(4096).decode())
        s.settimeout(30)
        Task(read)
        return got

    def with_devices(self, log, *argv):
        """The command line that runs argv as an ordinary user, with /dev/log leading to `log`."""
        return ["unshare", "--mount", "sh", "-c", DEVICES, "sh", log, *argv]

    def pasta(self, log, *options):
        """A daemon in the background; its PID, and what it said to its caller."""
        pid_path = self.name("pid")
        done = self.host.run(*self.with_devices(log, self.host.binary(), "--pid", pid_path, "--config-net", *NO_PORTS, *options), timeout=30)
        pid = int(self.read(pid_path))
        self.addCleanup(lambda: os.path.exists(f"/proc/{pid}/fd/0") and os.kill(pid, signal.SIGKILL))
        return pid, done.stderr

    def test_syslog_has_what_the_caller_has_and_what_comes_later(self):
        s, path = self.receiver()
        got = self.reading(s)
        guest = Guest(self.host)
        pid, said = self.pasta(path, "--stderr", guest.pid)
        wait_until(lambda: len(got) >= len(said.splitlines()), "report in syslog")
        self.assertEqual([line.partition("pasta: ")[2] for line in got], said.splitlines())
        self.assertEqual({line.partition(" ")[0] for line in got}, {"<28>", "<30>"}, "daemon.warning, daemon.info")
        self.assertIn("<28> pasta: --stderr", "\n".join(got))
        guest.close()
        wait_until(lambda: f"<30> pasta: Namespace /proc/{guest.pid}/ns/net is gone, exiting" in got, "last line in syslog")
        wait_until(lambda: not os.path.exists(f"/proc/{pid}/fd/0"), "end of the daemon")

    def test_a_start_that_fails_is_an_error_in_syslog(self):
        s, path = self.receiver()
        got = self.reading(s)
        with host_place(self.host).bound("", 8125):
            argv = self.with_devices(path, self.host.binary("passt"), "-t", "8125", "-s", self.name("socket"))
            self.assertEqual(self.host.run(*argv, check=False).returncode, 1)
        wait_until(lambda: any("Couldn't listen on requested ports" in line for line in got), "error in syslog")
        self.assertTrue(any(line.startswith("<27> passt: Listen failed") for line in got), got)

    def test_quiet_debug_and_a_file_leave_syslog_alone(self):
        s, path = self.receiver()
        got = self.reading(s)
        for options in (["-q"], ["-d"], ["-l", self.name("log")]):
            guest = Guest(self.host)
            pid, _ = self.pasta(path, *options, guest.pid)
            os.kill(pid, signal.SIGTERM)
            wait_until(lambda: not os.path.exists(f"/proc/{pid}/fd/0"), "end of the daemon")
            guest.close()
        self.assertEqual(got, [])

    def test_without_syslog_nothing_is_missing(self):
        for log in ("", self.name("nobody")):
            with self.subTest(log=log):
                guest = Guest(self.host)
                pid, said = self.pasta(log, guest.pid)
                self.assertIn("NAT to host", said)
                guest.close()
                wait_until(lambda: not os.path.exists(f"/proc/{pid}/fd/0"), "end of the daemon")

    def test_syslog_that_never_reads_or_goes_away_holds_nobody_up(self):
        s, path = self.receiver()
        guest = Guest(self.host)
        pid, said = self.pasta(path, guest.pid)
        self.assertGreater(len(said.splitlines()), 12, "more than the queue holds")
        s.close()
        os.kill(pid, signal.SIGUSR1)
        guest.close()
        wait_until(lambda: not os.path.exists(f"/proc/{pid}/fd/0"), "end of the daemon")


if __name__ == "__main__":
    netns_test.main()
