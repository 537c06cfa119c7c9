#!/usr/bin/env python3
"""The process that reads /etc/resolv.conf for a sealed daemon: what it sees, when it wakes, what it can do, and how it ends."""
import contextlib
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import cleanup
import netns_test
from guests import NO_PORTS, Daemon, Guest, OnSimulatedHost, statuses
from hosts import USER, wait_until
from passt import Passt

INJECTOR = os.environ.get("TAPIOCA_INJECTOR", "")
ROLES = ("guardian", "resolver")
SOON = 3            # seconds; without inotify the watcher looks every five
ASKS = ("--dns-forward", "192.0.2.100")     # who forwards queries needs to know where to
# A directory of the test's own in the place of /etc: the file that is there is not to be exchanged.
OWN_ETC = """set -e
cp -a /etc "$1/etc"
rm -f "$1/etc/resolv.conf"
mount --bind "$1/etc" /etc
echo ready
exec sleep infinity
"""
# On x86_64: what somebody would try who has taken over the watcher.
FORBIDDEN = {"openat(O_WRONLY)": (257, -100, "/dev/null", 1), "socket": (41, 2, 2, 0), "execve": (59, "/bin/sh"), "kill": (62, 1, 0), "ptrace": (101, 0), "clone": (56, 17)}


def helpers_of(pid):
    """Role -> process id of those that have the other end of one of the daemon's pipes."""
    def links(of):
        for entry in pathlib.Path(f"/proc/{of}/fd").iterdir():
            with contextlib.suppress(OSError):
                yield os.readlink(entry)
    pipes, found = {link for link in links(pid) if link.startswith("pipe:")}, {}
    for process in pathlib.Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            name, _, role = (process / "comm").read_text().strip().partition(".")
            if name in ("pasta", "passt") and role in ROLES and pipes & set(links(process.name)):
                found[role] = int(process.name)
    return found


def both_of(pid):
    return wait_until(lambda: len(found := helpers_of(pid)) == 2 and found, "guardian and watcher")


def is_there(pid):
    """Not as a zombie either, which whoever has inherited it may not have reaped yet."""
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def sleeps(pid):
    return next(int(status["voluntary_ctxt_switches"]) for status in statuses(pid))


class OnOwnEtc(OnSimulatedHost):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        holder = subprocess.Popen(cls.host.argv(["unshare", "--mount", "--propagation=private", "sh", "-c", OWN_ETC, "sh", cls.host.dir]),
                                  stdout=subprocess.PIPE, text=True)
        cls.host._tokens.append(cleanup.at_exit(cleanup.end_process, holder))
        if holder.stdout.readline() != "ready\n":
            raise RuntimeError("no /etc of our own")
        cls.host.holder = holder

    def setUp(self):
        self.etc = pathlib.Path(self.host.dir, "etc")
        self.conf = self.etc / "resolv.conf"
        self.run_dir = pathlib.Path(self.host.dir, "run")
        self.addCleanup(shutil.rmtree, self.run_dir, True)
        self.conf.unlink(missing_ok=True)
        self.serial = 0

    def text(self):
        """One with another resolver each time."""
        self.serial += 1
        return f"nameserver 192.0.2.{100 + self.serial}\n"

    def exchange(self, path, make):
        new = path.with_name(path.name + ".new")
        make(new)
        new.rename(path)

    def started(self, *options, guest=None):
        daemon = Daemon(guest or self.guest(), *ASKS, *options)
        self.addCleanup(daemon.stop)
        return daemon

    def assert_told(self, daemon, text, timeout=SOON):
        address = text.split()[1]
        wait_until(lambda: (re.findall(r"The host's resolvers are now (\S+)", daemon.log()) or [None])[-1] == address,
                   f"{address} in {daemon.log()}", timeout)


class Changes(OnOwnEtc, unittest.TestCase):
    def test_a_file_that_is_replaced_or_written_in_place(self):
        self.conf.write_text(self.text())
        daemon = self.started()
        for how in (lambda text: self.conf.write_text(text), lambda text: self.exchange(self.conf, lambda new: new.write_text(text))):
            for _ in range(3):
                how(text := self.text())
                self.assert_told(daemon, text)

    def test_a_file_that_is_emptied_and_written_later(self):
        self.conf.write_text(self.text())
        daemon = self.started()
        both_of(daemon.pid)
        with self.conf.open("w") as f:
            time.sleep(0.5)
            f.write(text := self.text())
            f.flush()
            self.assert_told(daemon, text)
        self.assertNotIn("no resolvers any more", daemon.log())

    def test_links_that_are_exchanged(self):
        """As resolvconf, NetworkManager and NixOS do it: absolute links, one behind the other."""
        for name in ("a", "b"):
            (self.run_dir / name).mkdir(parents=True)
        (self.run_dir / "a" / "conf").write_text(in_a := self.text())
        (self.run_dir / "b" / "conf").write_text(in_b := self.text())
        (self.run_dir / "now").symlink_to(self.run_dir / "a")
        self.conf.symlink_to(self.run_dir / "now" / "conf")
        daemon = self.started()
        self.exchange(self.run_dir / "now", lambda new: new.symlink_to(self.run_dir / "b"))
        self.assert_told(daemon, in_b)
        (self.run_dir / "b" / "conf").write_text(text := self.text())
        self.assert_told(daemon, text)
        self.exchange(self.conf, lambda new: new.symlink_to(f"..{self.run_dir}/a/conf"))
        self.assert_told(daemon, in_a)

    def test_a_mount_over_the_file_and_away_again(self):
        self.conf.write_text(below := self.text())
        other = pathlib.Path(self.host.dir, "other.conf")
        other.write_text(above := self.text())
        daemon = self.started()
        self.host.run("mount", "--bind", other, "/etc/resolv.conf")
        self.assert_told(daemon, above)
        other.write_text(text := self.text())
        self.assert_told(daemon, text)
        self.host.run("umount", "/etc/resolv.conf")
        self.assert_told(daemon, below)

    def test_a_file_that_goes_and_comes_back(self):
        self.conf.write_text(self.text())
        daemon = self.started()
        self.conf.unlink()
        wait_until(lambda: "The host has no resolvers any more" in daemon.log(), "word of it", 2 * SOON)
        self.conf.write_text(text := self.text())
        self.assert_told(daemon, text)

    def test_a_directory_that_appears_later(self):
        """As on a machine whose resolver starts after us."""
        directory = self.run_dir / "systemd" / "resolve"
        self.conf.symlink_to(directory / "stub-resolv.conf")
        daemon = self.started()
        directory.mkdir(parents=True)
        (directory / "stub-resolv.conf").write_text(text := self.text())
        self.assert_told(daemon, text)

    def test_without_instances_of_inotify_it_looks_every_five_seconds(self):
        self.conf.write_text(self.text())
        guest = self.guest()
        guest.run("sysctl", "-qw", "user.max_inotify_instances=0")
        daemon = self.started(guest=guest)
        self.assertEqual([link for link in self.descriptors(both_of(daemon.pid)["resolver"]) if "inotify" in link], [])
        self.conf.write_text(text := self.text())
        self.assert_told(daemon, text, 5 + SOON)

    def descriptors(self, pid):
        return sorted(os.readlink(entry.path) for entry in os.scandir(f"/proc/{pid}/fd"))

    @unittest.skipIf(netns_test.SANITIZED, "sanitizers have threads that wake")
    def test_it_sleeps_while_nothing_changes_and_wakes_rarely_for_what_is_not_its_business(self):
        self.conf.write_text(self.text())
        daemon = self.started()
        helpers = both_of(daemon.pid)
        end, before = time.monotonic() + 40, {}     # mounts of others come and go, of which it must hear
        while (now := {role: sleeps(pid) for role, pid in helpers.items()}) != before:
            self.assertLess(time.monotonic(), end, f"wakes all the time: {before}, then {now}")
            before = now
            time.sleep(5)
        began = time.monotonic()
        for i in range(1000):
            (self.etc / f"other{i % 10}").write_text("x")
            (self.etc / f"other{i % 10}").unlink()
            time.sleep(0.001)
        turns = (time.monotonic() - began) / 0.05
        self.assertLess(sleeps(helpers["resolver"]) - before["resolver"], 2.4 * turns + 10)      # two sleeps a turn, for 4000 events


class Ends(OnOwnEtc, unittest.TestCase):
    def setUp(self):
        super().setUp()
        self.conf.write_text(self.text())

    def assert_gone(self, helpers, within=1):
        wait_until(lambda: not any(map(is_there, helpers.values())), "end of the helpers", within)

    def test_they_end_with_the_daemon_whatever_ends_it(self):
        for number in (signal.SIGKILL, signal.SIGTERM):
            with self.subTest(signal=number.name):
                daemon = self.started()
                helpers = both_of(daemon.pid)
                daemon.process.send_signal(number)
                daemon.process.wait(10)
                self.assert_gone(helpers)

    def test_signals_meant_for_the_daemon_do_not_end_them(self):
        daemon = self.started()
        helpers = both_of(daemon.pid)
        for pid in helpers.values():
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1):
                os.kill(pid, number)
        time.sleep(0.3)
        self.assertEqual(helpers_of(daemon.pid), helpers)
        self.conf.write_text(text := self.text())
        self.assert_told(daemon, text)

    def test_a_watcher_that_is_killed_is_replaced(self):
        daemon = self.started()
        for _ in range(2):
            helpers = both_of(daemon.pid)
            os.kill(helpers["resolver"], signal.SIGKILL)
            wait_until(lambda: helpers_of(daemon.pid).get("resolver", helpers["resolver"]) != helpers["resolver"], "another watcher", 3)
            self.assertEqual(helpers_of(daemon.pid)["guardian"], helpers["guardian"])
            self.conf.write_text(text := self.text())
            self.assert_told(daemon, text)
        self.assertNotIn("unnoticed", daemon.log())

    def test_when_all_are_killed_the_daemon_says_so_once_and_goes_on(self):
        daemon = self.started()
        helpers = both_of(daemon.pid)
        for role in ROLES:
            os.kill(helpers[role], signal.SIGKILL)
        wait_until(lambda: "unnoticed from now on" in daemon.log(), "warning")
        before = sum(int(status["voluntary_ctxt_switches"]) for status in statuses(daemon.pid))
        time.sleep(1)
        self.assertLess(sum(int(status["voluntary_ctxt_switches"]) for status in statuses(daemon.pid)) - before, 20)
        self.assertEqual(daemon.log().count("unnoticed"), 1)
        self.assertEqual(daemon.stop(), 0)

    def test_a_command_is_the_only_child_whose_end_counts(self):
        pasta = self.host.popen(self.host.binary(), "-q", "--config-net", *ASKS, *NO_PORTS, "--", "sh", "-c", "echo ready; read word; exit 7",
                                uid=USER, stdin=-1, stdout=-1, stderr=-1)
        self.assertEqual(pasta.stdout.readline(), "ready\n")
        helpers = both_of(pasta.pid)
        os.kill(helpers["guardian"], signal.SIGKILL)
        wait_until(lambda: not os.path.exists(f"/proc/{helpers['guardian']}"), "end of the guardian, reaped")
        self.assertIsNone(pasta.poll())
        pasta.stdin.write("\n")
        pasta.stdin.flush()
        self.assertEqual(pasta.wait(10), 7)
        self.assert_gone({"resolver": helpers["resolver"]})
        self.assertEqual(pasta.stderr.read(), "")

    def in_background(self):
        guest, pid_file = self.guest(), f"{self.host.dir}/background{time.monotonic_ns()}.pid"
        # Its output is read to the end: whoever kept it open would keep us waiting.
        self.host.run(self.host.binary(), "-q", "--config-net", *ASKS, "--pid", pid_file, *NO_PORTS, guest.pid, uid=USER)
        return int(pathlib.Path(pid_file).read_text())

    def passt(self):
        daemon = Passt(self.host)
        self.addCleanup(daemon.stop)
        return daemon.pid

    def passt_in_background(self):
        name = f"{self.host.dir}/background{time.monotonic_ns()}"
        self.host.run(self.host.binary("passt"), "-q", "--pid", f"{name}.pid", "-s", f"{name}.socket", uid=USER)
        return int(pathlib.Path(f"{name}.pid").read_text())

    def test_in_every_mode(self):
        for start in (lambda: self.started().pid, self.in_background, self.passt, self.passt_in_background):
            pid = start()
            helpers = both_of(pid)
            self.check_cage(helpers)
            os.kill(pid, signal.SIGKILL)
            self.assert_gone(helpers)

    def check_cage(self, helpers):
        """In the host's namespaces, with nothing but what it takes to read."""
        for role, pid in helpers.items():
            with self.subTest(role=role):
                status = next(statuses(pid))
                self.assertEqual({int(status[name], 16) for name in ("CapEff", "CapPrm", "CapInh", "CapBnd", "CapAmb")}, {0})
                self.assertEqual((status["Seccomp"], status["NoNewPrivs"]), ("2", "1"))
                for name, of in (("mnt", self.host.holder.pid), ("pid", "self")):
                    self.assertEqual(os.readlink(f"/proc/{pid}/ns/{name}"), os.readlink(f"/proc/{of}/ns/{name}"))
                self.assertEqual(os.readlink(f"/proc/{pid}/cwd"), "/")
                kinds = [re.sub(r"\d+", "N", os.readlink(entry.path)) for entry in os.scandir(f"/proc/{pid}/fd")]
                expected = ["/dev/null"] * 3 + ["pipe:[N]"] + (["anon_inode:inotify", "/proc/N/mountinfo"] if role == "resolver" else [])
                self.assertEqual(sorted(kinds), sorted(expected))
                if not netns_test.SANITIZED:
                    self.assertEqual(os.stat(f"/proc/{pid}/mem").st_uid, 0)     # not dumpable

    @unittest.skipIf(netns_test.SANITIZED, "sanitizers need memory")
    def test_they_are_small(self):
        daemon = self.started()
        time.sleep(0.2)
        for role, pid in both_of(daemon.pid).items():
            rollup = dict(line.split(":") for line in pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:])
            size = {name: int(rollup[name].split()[0]) for name in ("Pss", "Private_Dirty", "Private_Clean", "Anonymous")}
            print(f"{role}: {size} KiB")
            self.assertLess(size["Private_Dirty"] + size["Private_Clean"], 300)

    @unittest.skipUnless(INJECTOR, "needs TAPIOCA_INJECTOR, the program that makes threads make system calls")
    @unittest.skipIf(os.uname().machine != "x86_64", "knows the numbers of x86_64 only")
    @unittest.skipIf(netns_test.SANITIZED, "sanitizers may do more")
    def test_a_watcher_that_was_taken_over_dies_of_what_it_never_does(self):
        for name, call in FORBIDDEN.items():
            with self.subTest(call=name):
                daemon = self.started()
                watcher = both_of(daemon.pid)["resolver"]
                subprocess.run([INJECTOR, str(watcher), *map(str, call)], capture_output=True, text=True, timeout=20, check=True)
                wait_until(lambda: helpers_of(daemon.pid).get("resolver", watcher) != watcher, "another watcher", 3)
                self.assertEqual(daemon.stop(), 0)


if __name__ == "__main__":
    netns_test.main()
