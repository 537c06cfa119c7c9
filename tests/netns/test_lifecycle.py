#!/usr/bin/env python3
"""The life of a daemon: when its parent returns and what is there by then, what it keeps of its caller, which signals end it, and what
becomes of the namespace of a command."""
import contextlib
import os
import pathlib
import resource
import signal
import socket
import subprocess
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import netns_test
from guests import NO_PORTS, Daemon, OnSimulatedHost
from hosts import HOST4, USER, run, wait_until
from inside import host_place
from passt import Passt


def status_of(pid):
    return dict(line.split(":\t", 1) for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines() if ":\t" in line)


def is_alive(pid):
    """A zombie that nobody has waited for yet is not."""
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        return status_of(pid)["State"][0] != "Z"
    return False


class Background(OnSimulatedHost):
    """What pasta and passt have in common; a class each says how they are started."""

    def start(self, *options, launcher=(), path=None):
        """Returns what the caller got, and the PID from the file. Returning at all means that both pipes were let go."""
        path = path or f"{self.host.dir}/{self.name}{time.monotonic_ns()}.pid"
        done = self.host.run(*launcher, self.host.binary(self.name), "--pid", path, *options, *self.target(), uid=USER, timeout=30)
        content = pathlib.Path(path).read_text()
        self.addCleanup(self.kill, int(content))
        return done, int(content), path

    def kill(self, pid):
        if is_alive(pid):
            os.kill(pid, signal.SIGKILL)

    def test_when_the_parent_returns_the_ports_are_bound(self):
        """Asked at once, without a second try."""
        ports = [*range(8000, 8010), 8500, 9000]
        _, pid, _ = self.start("-q", "-t", "8000-8009,8500:80,9000", "-u", "8000-8009")
        place = host_place(self.host)
        for port in ports:
            with contextlib.suppress(ConnectionResetError):     # of the guest, where nobody listens: it may come before connect() returns
                place.connected(HOST4, port).close()
        with self.assertRaises(OSError):
            place.bound("", 8005, socket.SOCK_DGRAM)
        self.kill(pid)

    def test_the_pid_file_is_whole_and_private(self):
        _, pid, path = self.start("-q", *self.no_ports, launcher=["sh", "-c", 'umask 0; exec "$@"', "sh"])
        self.assertEqual(pathlib.Path(path).read_text(), f"{pid}\n")
        self.assertEqual(os.stat(path).st_mode & 0o7777, 0o600)
        self.assertEqual(pathlib.Path(f"/proc/{pid}/comm").read_text(), self.name + "\n")

    def test_an_older_pid_file_is_overwritten(self):
        path = f"{self.host.dir}/{self.name}-old.pid"
        pathlib.Path(path).write_text("4194303 and more\n" * 9)
        os.chown(path, USER, USER)
        _, pid, _ = self.start("-q", *self.no_ports, path=path)
        self.assertEqual(pathlib.Path(path).read_text(), f"{pid}\n")

    def test_nothing_ties_it_to_its_caller(self):
        _, pid, _ = self.start("-q", *self.no_ports)
        self.assertEqual({os.readlink(f"/proc/{pid}/fd/{n}") for n in range(3)}, {"/dev/null"})
        self.assertEqual((os.readlink(f"/proc/{pid}/cwd"), os.readlink(f"/proc/{pid}/root")), ("/", "/"))
        self.assertEqual(os.listdir(f"/proc/{pid}/root"), [])
        fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        self.assertEqual((fields[2], fields[3], fields[4]), (str(pid), str(pid), "0"), "group, session, terminal")
        self.assertEqual(status_of(pid)["NSpid"].split(), [str(pid), "1"])

    def test_both_streams_end_whatever_is_said_and_where(self):
        log = f"{self.host.dir}/{self.name}-streams.log"
        for words in ([], ["-e"], ["-d"], ["--trace"], ["-l", log], ["-d", "-l", log]):
            with self.subTest(words=words):
                done, pid, _ = self.start(*words, *self.no_ports)
                self.assertEqual(done.stdout, "")
                self.assertIn("NAT to host", done.stderr)
                self.assertTrue(is_alive(pid))
                self.kill(pid)

    def test_quiet_success_says_nothing(self):
        done, _, _ = self.start("--quiet", *self.no_ports)
        self.assertEqual((done.stdout, done.stderr), ("", ""))

    def test_polite_signals_end_it_and_others_do_not(self):
        for last in (signal.SIGTERM, signal.SIGQUIT):
            with self.subTest(signal=last.name):
                _, pid, _ = self.start("-q", *self.no_ports)
                for number in (signal.SIGHUP, signal.SIGPIPE, signal.SIGINT, signal.SIGALRM, signal.SIGUSR2):
                    os.kill(pid, number)
                time.sleep(0.2)
                self.assertTrue(is_alive(pid))
                os.kill(pid, last)
                wait_until(lambda: not is_alive(pid), "end of the daemon")

    def test_its_table_of_descriptors_has_room(self):
        """Where threads share it, each time that it grows stops the one who needs more for tens of milliseconds."""
        _, pid, _ = self.start("-q", "-t", "20000-20999", *self.no_ports[2:])
        self.assertGreaterEqual(int(status_of(pid)["FDSize"]), min(5096, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))

    def test_a_start_that_fails_leaves_no_pid(self):
        """The file may be there, since it is opened while failure can be told, but it names nobody."""
        path = f"{self.host.dir}/{self.name}-failed.pid"
        with host_place(self.host).bound("", 8123):
            with self.assertRaisesRegex(RuntimeError, "Couldn't listen on requested ports"):
                self.start("-q", "-t", "8123", *self.no_ports[2:], path=path)
        self.assertEqual(pathlib.Path(path).read_text(), "")


class BackgroundPasta(Background, unittest.TestCase):
    name = "pasta"
    no_ports = NO_PORTS

    def target(self):
        guest = self.guest()
        return ["--config-net", guest.pid]


class BackgroundPasst(Background, unittest.TestCase):
    name = "passt"
    no_ports = NO_PORTS[:4]

    def target(self):
        return ["--socket", f"{self.host.dir}/{time.monotonic_ns()}.socket"]


class Foreground(OnSimulatedHost, unittest.TestCase):
    """What it does to signals when it has not left its caller."""

    def test_signals(self):
        guest = self.guest()
        for number, status in ((signal.SIGTERM, 0), (signal.SIGQUIT, 0), (signal.SIGHUP, -signal.SIGHUP), (signal.SIGINT, -signal.SIGINT)):
            for daemon in (Daemon(guest, "-q"), Passt(self.host, "-q")):
                with self.subTest(signal=number.name, daemon=type(daemon).__name__):
                    os.kill(daemon.pid, signal.SIGPIPE)
                    os.kill(daemon.pid, number)
                    self.assertEqual(daemon.process.wait(10), status)

    def test_who_nobody_reads_any_more_goes_on(self):
        """Its standard error is a pipe that was closed at the other end: the report of the counters meets SIGPIPE."""
        guest = self.guest()
        path = f"{self.host.dir}/unread.pid"
        process = self.host.popen(self.host.binary(), "-f", "--config-net", "--pid", path, *NO_PORTS, guest.pid, uid=USER, stderr=subprocess.PIPE)
        wait_until(lambda: os.path.exists(path) and os.path.getsize(path), "PID file")
        process.stderr.close()
        os.kill(process.pid, signal.SIGUSR1)
        guest.run("ip", "link", "set", "eth0", "mtu", "1400")
        time.sleep(0.2)
        self.assertIsNone(process.poll())
        process.terminate()
        self.assertEqual(process.wait(10), 0)


class OfACommand(OnSimulatedHost, unittest.TestCase):
    """What the command has of its caller and of the daemon, and what is left of its namespace."""

    def inside(self, script, *options, before=""):
        """The output of a shell script inside; `before` is run by the shell that starts pasta."""
        words = ["sh", "-c", f'{before}\nexec "$@"', "sh", self.host.binary(), "-q", "--config-net", *NO_PORTS, *options, "--", "sh", "-c", script]
        return self.host.run(*words, uid=USER).stdout

    def test_it_has_the_callers_surroundings(self):
        limits = self.inside("ulimit -Sn; umask; pwd; echo $MARK", before="ulimit -Sn 300; umask 027; cd /usr; export MARK=kept")
        self.assertEqual(limits.split(), ["300", "0027", "/usr", "kept"])

    def test_no_descriptor_but_the_standard_ones(self):
        seen = self.inside("ls /proc/$$/fd", before="exec 5</dev/null 7</dev/null 9</dev/null")
        self.assertLessEqual(set(seen.split()), {"0", "1", "2"})

    def test_signals_are_as_nobody_had_touched_them(self):
        seen = dict(line.split(":\t", 1) for line in self.inside("cat /proc/self/status").splitlines())
        self.assertEqual({int(seen[key], 16) for key in ("SigBlk", "SigIgn", "SigCgt")}, {0})

    def test_it_is_the_first_process_unless_that_is_not_wanted(self):
        self.assertEqual(self.inside("echo $$").strip(), "1")
        self.assertNotEqual(self.inside("echo $$", "--no-pidns").strip(), "1")

    def test_its_descendants_end_with_it(self):
        mark = f"{self.host.dir}/mark"
        self.inside(f"(echo $(readlink /proc/self/ns/pid) >{mark}; sleep 60) >/dev/null 2>&1 & while ! [ -s {mark} ]; do sleep 0.05; done")
        space = pathlib.Path(mark).read_text().strip()
        for path in pathlib.Path("/proc").glob("[0-9]*/ns/pid"):
            with contextlib.suppress(OSError):
                self.assertNotEqual(os.readlink(path), space, path)

    def test_it_never_starts_if_the_daemon_cannot(self):
        mark = f"{self.host.dir}/never"
        with host_place(self.host).bound("", 8124):
            done = self.host.run(self.host.binary(), "--config-net", "-t", "8124", "--", "touch", mark, uid=USER, check=False)
        self.assertEqual((done.returncode, os.path.exists(mark)), (1, False), done.stderr)

    def shell(self, *options):
        """A pasta whose shell waits for the end of its input; the shell's PID out here."""
        pasta = self.host.popen(self.host.binary(), "-q", "--config-net", *NO_PORTS, *options, "--", "sh", "-c", "echo ready; read x; exit 5",
                                uid=USER, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.addCleanup(pasta.stdin.close)
        self.addCleanup(pasta.stdout.close)
        self.assertEqual(pasta.stdout.readline(), "ready\n")
        return pasta, int(pathlib.Path(f"/proc/{pasta.pid}/task/{pasta.pid}/children").read_text())

    def links(self, holder):
        return run("nsenter", "-t", holder.pid, "-n", "ip", "-br", "link").stdout

    def holder(self, pid):
        """A process that has entered the network namespace, and nothing else, from outside."""
        holder = self.host.popen("nsenter", "-t", pid, "-n", "sleep", "3600")
        wait_until(lambda: os.readlink(f"/proc/{holder.pid}/exe").endswith("sleep"), "process in the namespace")
        return holder

    def test_the_namespace_goes_with_the_command(self):
        """Seen by the end of a veth pair whose other end was in there."""
        for options in ((), ("--no-pidns",)):
            with self.subTest(options=options):
                pasta, pid = self.shell(*options)
                self.host.ip("link", "add", "probe0", "type", "veth", "peer", "name", "probe1", "netns", str(pid))
                self.assertIn("probe0", self.host.ip("link"))
                pasta.stdin.close()
                self.assertEqual(pasta.wait(10), 5)
                wait_until(lambda: "probe0" not in self.host.ip("link"), "end of the namespace", 60)

    def test_an_interface_without_carrier_is_left_to_whoever_holds_the_namespace(self):
        pasta, pid = self.shell()
        holder = self.holder(pid)
        self.assertIn("LOWER_UP", self.links(holder))
        pasta.stdin.close()
        self.assertEqual(pasta.wait(10), 5)
        left = next(line for line in self.links(holder).splitlines() if line.startswith("eth0"))
        self.assertNotIn("LOWER_UP", left)
        holder.kill()

    def test_the_interface_goes_where_the_command_may_have_left_others(self):
        pasta, pid = self.shell("--no-pidns")
        holder = self.holder(pid)
        pasta.stdin.close()
        self.assertEqual(pasta.wait(10), 5)
        self.assertNotIn("eth0", self.links(holder))
        holder.kill()

    def test_the_interface_goes_with_a_daemon_that_is_told_to_go(self):
        pasta, pid = self.shell()
        holder = self.holder(pid)
        pasta.terminate()
        self.assertEqual(pasta.wait(10), 0)
        self.assertNotIn("eth0", self.links(holder))
        self.assertTrue(is_alive(pid))
        holder.kill()


if __name__ == "__main__":
    netns_test.main()
