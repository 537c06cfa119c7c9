#!/usr/bin/env python3
"""qrap itself, between servers in the place of passt and a program in the place of QEMU."""
import os
import pathlib
import signal
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import netns_test
import qrap_world
from hosts import wait_until

FIXTURES = pathlib.Path(__file__).parent.parent / "unit" / "qrap" / "fixtures"
ARCH = {"amd64": "x86_64", "i686": "i386", "arm64": "aarch64", "ppc64le": "ppc64"}.get(os.uname().machine, os.uname().machine)
PLAIN = ["-netdev", "socket,fd=5,id=hostnet0"]
SERVED = "passt_1.socket"


def fixture(path):
    """The words before and after, as tests/unit/qrap/fixtures_test.cpp reads them."""
    given, expected = [], []
    for line in path.read_text().splitlines():
        if line.startswith("#"):
            continue
        mark, text = line[0], line[2:]
        words = text.split(" ", 1) if text.startswith("-") else [text]
        given += words if mark != "+" else []
        expected += words if mark != "-" else []
    return given, expected


class Case(unittest.TestCase):
    def setUp(self):
        self.world = qrap_world.World()
        self.addCleanup(self.world.close)

    def connected(self, *arguments, fd=5, **options):
        """Runs qrap to a QEMU that has the socket; (its report, what qrap said)."""
        done = self.world.run(*arguments, FAKE_FD=str(fd), **options)
        self.assertEqual(done.returncode, 0, done.stderr)
        report = self.world.report()
        self.assertNotIn("error", report)
        return report, done.stderr

    def refused(self, *arguments, **options):
        """Runs qrap in vain; what it said."""
        done = self.world.run(*arguments, **options)
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertIsNone(self.world.report())
        self.assertEqual(done.stdout, "")
        return done.stderr


class Usage(Case):
    def test_help_alone_prints_how_to_call_it(self):
        done = self.world.run("--help")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertTrue(done.stdout.startswith("Usage: qrap "))

    def test_among_others_it_is_an_argument_of_qemu(self):
        self.world.server(SERVED, qrap_world.speak_first)
        self.world.program("kvm")
        self.assertEqual(self.connected("--help", "x")[0]["argv"][:2], ["--help", "x"])


class Arguments(Case):
    def setUp(self):
        super().setUp()
        self.world.server(SERVED, qrap_world.speak_first)

    def test_known_command_lines_arrive_as_expected(self):
        self.world.program("kvm")
        for path in sorted(FIXTURES.glob("*.argv")):
            with self.subTest(path.stem):
                given, expected = fixture(path)
                self.assertEqual(self.connected(*given)[0]["argv"], expected)

    def test_a_command_of_the_caller_gets_its_arguments_untouched(self):
        self.world.program("my-qemu")
        given = ["-netdev", "socket,fd=9,id=n0", "-device", "e1000,netdev=n0", "", "a b"]
        report, _ = self.connected("9", "my-qemu", *given, fd=9)
        self.assertEqual(report["argv"], given)
        self.assertEqual(report["open"], [0, 1, 2, 9])

    def test_the_descriptor_may_be_the_one_that_the_socket_has_already(self):
        self.world.program("my-qemu")
        for word in ("3", "0x3", "03"):
            self.assertEqual(self.connected(word, "my-qemu", fd=3)[0]["open"], [0, 1, 2, 3])

    def test_a_command_may_be_a_path_and_then_needs_no_PATH(self):
        path = self.world.program("my-qemu")
        self.assertEqual(self.connected("6", path, "-S", fd=6, path=None)[0]["argv"], ["-S"])

    def test_an_empty_word_of_PATH_is_the_working_directory(self):
        self.world.program("my-qemu")
        for path in (":/nonexistent", "/nonexistent:", "/nonexistent::/nonexistent"):
            self.assertEqual(self.connected("6", "my-qemu", fd=6, path=path, prepare="cd /tmp/bin &&")[0]["argv"], [])

    def test_without_PATH_a_name_is_no_command(self):
        self.world.program("my-qemu")
        said = self.refused("6", "my-qemu", path=None, PASST_SOCKET="/tmp/absent").splitlines()
        self.assertTrue(said[0].startswith("my-qemu is not a command"), said)
        self.assertEqual(said[-1], "connect: No such file or directory")

    def test_what_is_no_command_is_an_argument(self):
        self.world.program("kvm")
        self.world.program("plain-file", mode=0o644)
        os.mkdir(self.world.tmp / "bin" / "directory")
        for words in (["5", "absent"], ["5", "plain-file"], ["5", "directory"], ["5", "/tmp/bin"], ["2", "kvm"], ["-1", "kvm"],
                      ["5x", "kvm"], ["2147483647", "kvm"], ["5"], ["5", ""], []):
            with self.subTest(words):
                self.assertEqual(self.connected(*words)[0]["argv"], words + PLAIN)

    def test_a_mistaken_command_is_named(self):
        self.world.program("kvm")
        self.assertIn("absent is not a command", self.connected("5", "absent")[1])

    def test_a_command_of_the_caller_that_cannot_run(self):
        self.world.program("my-qemu", "#!/nonexistent/interpreter\n")
        said = self.refused("5", "my-qemu")
        self.assertEqual(said.splitlines()[-1], "execvp: No such file or directory")

    def test_a_descriptor_beyond_the_limits_is_an_error(self):
        self.world.program("my-qemu")
        self.assertEqual(self.refused("2147483646", "my-qemu").splitlines()[-1], "dup2: Bad file descriptor")


class Commands(Case):
    def setUp(self):
        super().setUp()
        self.world.server(SERVED, qrap_world.speak_first)

    @unittest.skipUnless(os.path.isdir("/usr/libexec"), "no /usr/libexec here")
    def test_qemu_is_looked_for_under_its_names_in_their_order(self):
        # A shell in the place of QEMU tells what it is called: that is the first of its arguments.
        names = ["kvm", "qemu-kvm", f"qemu-system-{ARCH}", "/usr/libexec/qemu-kvm"]
        for name in names[:3]:
            os.symlink("/bin/sh", self.world.tmp / "bin" / name)
        for name in names:
            told = self.world.run("-c", "/usr/bin/tr '\\0' '\\n' </proc/$$/cmdline; :",
                                  prepare=f"mount -t tmpfs none /usr/libexec && ln -s /bin/sh {names[3]} &&")
            self.assertEqual(told.stdout.splitlines()[:1], [name], told.stderr)
            (self.world.tmp / "bin" / name).unlink() if name != names[3] else None

    def test_a_command_that_may_not_be_run_ends_the_search(self):
        self.world.program("kvm", mode=0o644)
        self.world.program("qemu-kvm")
        said = self.refused("-S").splitlines()
        self.assertIn("execvp: Permission denied", said)
        self.assertTrue(said[said.index("execvp: Permission denied") + 1].startswith("Usage: qrap "), said)

    def test_no_command_at_all(self):
        said = self.refused("-S", prepare="if [ -d /usr/libexec ]; then mount -t tmpfs none /usr/libexec; fi &&").splitlines()
        self.assertEqual(said[-2:], ["Couldn't find qemu command", "execvp: No such file or directory"])

    def test_the_environment_is_passed_on(self):
        self.world.program("kvm")
        self.assertEqual(self.connected("-S", QEMU_AUDIO_DRV="none")[0]["environment"]["QEMU_AUDIO_DRV"], "none")

    def test_standard_streams_may_be_closed(self):
        self.world.program("kvm")
        for closed in ("<&-", ">&-", "<&- >&- 2>&-"):
            with self.subTest(closed):
                done = self.world.run("-S", prepare=f"exec {closed};")
                self.assertEqual(done.returncode, 0, done.stderr)
                self.assertNotIn("error", self.world.report())


class NoFreeAddress(Case):
    def test_is_said_before_anybody_is_connected_to(self):
        self.world.program("kvm")
        server = self.world.server(SERVED, qrap_world.speak_first)
        devices = [word for n in range(1, 16) for word in ("-device", f"virtio-blk-ccw,devno=fe.0.{n:04x}")]
        said = self.refused("-machine", "s390-ccw-virtio", *devices).splitlines()
        self.assertEqual(said[0], "Couldn't find free address for device")
        self.assertTrue(said[1].startswith("Usage: qrap "), said)
        self.assertEqual(server.accepted, 0)


class Probes(Case):
    def setUp(self):
        super().setUp()
        self.world.program("kvm")

    def test_each_passt_gets_the_same_octets_and_its_answer_is_left_to_qemu(self):
        for serve, first in ((qrap_world.answer_arp, qrap_world.ARP_REPLY), (qrap_world.speak_first, qrap_world.ARP_FIRST),
                             (qrap_world.answer_solicitation, qrap_world.ADVERTISEMENT)):
            with self.subTest(serve.__name__):
                server = self.world.server(SERVED, serve)
                report, said = self.connected("-S")
                self.assertTrue(report["first"].startswith(first.hex()), report["first"])
                expected = qrap_world.ARP_PROBE + qrap_world.NS_PROBE + b"\0\0\0\x0eframe of QEMU."
                wait_until(lambda: len(server.received) >= len(expected), "frame of QEMU")
                self.assertEqual(server.received, expected)
                self.assertEqual(server.accepted, 1)
                self.assertEqual(said, "Connected to /tmp/passt_1.socket\n")
                server.path.unlink()

    def test_qemu_gets_a_blocking_socket_without_timeouts_and_nothing_else(self):
        self.world.server(SERVED, qrap_world.speak_first)
        report, _ = self.connected("-S")
        self.assertEqual(report["open"], [0, 1, 2, 5])
        self.assertTrue(report["blocking"])
        self.assertEqual(report["timeouts"], ["00" * 16] * 2)

    def test_what_does_not_answer_is_passed_over(self):
        stale = self.world.server("passt_1.socket", qrap_world.speak_first)
        stale.close()
        self.world.servers.remove(stale)
        silent = self.world.server("passt_3.socket", lambda server, connection: server.read(connection, 1 << 20))
        closing = self.world.server("passt_4.socket", lambda server, connection: server.read(connection, 128))
        self.world.server("passt_12.socket", qrap_world.answer_arp)
        begin = time.monotonic()
        _, said = self.connected("-S")
        self.assertGreater(time.monotonic() - begin, 0.5)
        said = said.splitlines()
        self.assertEqual(said[:8], ["connect: Connection refused", "Probe of /tmp/passt_1.socket failed",
                                    "connect: No such file or directory", "Probe of /tmp/passt_2.socket failed",
                                    "recv: Resource temporarily unavailable", "Probe of /tmp/passt_3.socket failed",
                                    "recv: Transport endpoint is not connected", "Probe of /tmp/passt_4.socket failed"])
        self.assertEqual(said[-1], "Connected to /tmp/passt_12.socket")
        self.assertEqual((silent.accepted, closing.accepted), (1, 1))

    def test_nobody_is_there(self):
        said = self.refused("-S", prepare="ulimit -n 16;").splitlines()     # what is tried in vain is closed
        self.assertEqual(len(said), 200)
        for number in range(1, 100):
            self.assertEqual(said[2 * number - 1], f"Probe of /tmp/passt_{number}.socket failed")
        self.assertEqual(said[-1], "connect: No such file or directory")
        self.assertIn("start passt first", said[-2])

    def test_what_a_socket_says_counts_more_than_the_absence_of_others(self):
        stale = self.world.server("passt_7.socket", qrap_world.speak_first)
        stale.close()
        self.world.servers.remove(stale)
        self.assertEqual(self.refused("-S").splitlines()[-1], "connect: Connection refused")

    def test_the_last_of_the_numbers(self):
        self.world.server("passt_99.socket", qrap_world.speak_first)
        self.world.server("passt_100.socket", qrap_world.speak_first)
        self.assertTrue(self.connected("-S")[1].endswith("Connected to /tmp/passt_99.socket\n"))

    def test_the_environment_names_the_only_socket(self):
        first = self.world.server(SERVED, qrap_world.speak_first)
        self.world.server("mine", qrap_world.speak_first)
        _, said = self.connected("-S", PASST_SOCKET="/tmp/mine")
        self.assertEqual(said, "Connected to /tmp/mine\n")
        said = self.refused("-S", PASST_SOCKET="/tmp/absent")
        self.assertEqual(said.splitlines()[-2:], ["Probe of /tmp/absent failed", "connect: No such file or directory"])
        self.assertIn("File name too long", self.refused("-S", PASST_SOCKET="/" + "x" * 107))
        self.assertEqual(first.accepted, 0)
        self.connected("-S", PASST_SOCKET="")
        self.assertEqual(first.accepted, 1)

    def test_being_stopped_meanwhile_does_no_harm(self):
        def late(server, connection):
            server.read(connection, 128)
            time.sleep(0.3)
            connection.sendall(qrap_world.ARP_REPLY)
            server.read(connection, 18)
        server = self.world.server(SERVED, late)
        process = self.world.start("-S")
        wait_until(lambda: len(server.received) == 128, "probe")
        process.send_signal(signal.SIGSTOP)
        process.send_signal(signal.SIGCONT)
        self.assertEqual(process.wait(10), 0)
        self.assertNotIn("error", self.world.report())


class Retries(Case):
    def setUp(self):
        super().setUp()
        self.world.program("kvm")

    def turn_away(self, times, delay):
        def serve(server, connection):
            if server.accepted > times:
                qrap_world.speak_first(server, connection)
            time.sleep(delay)
        return self.world.server(SERVED, serve)

    def test_who_is_turned_away_comes_again(self):
        for delay in (0, 0.02):     # before and after the probe is sent
            with self.subTest(delay):
                server = self.turn_away(5, delay)
                begin = time.monotonic()
                report, said = self.connected("-S")
                self.assertGreater(time.monotonic() - begin, 0.25)
                self.assertEqual(server.accepted, 6)
                self.assertEqual(report["open"], [0, 1, 2, 5])
                self.assertNotIn("Probe of", said)
                server.path.unlink()

    def test_but_not_more_than_fifty_times(self):
        server = self.turn_away(1000, 0.001)
        said = self.refused("-S", PASST_SOCKET="/tmp/" + SERVED)
        self.assertEqual(server.accepted, 51)
        self.assertEqual(said.splitlines()[-2], "Probe of /tmp/passt_1.socket failed")

    def test_qemu_started_again_at_once_waits_until_the_one_before_is_forgotten(self):
        """libvirt starts QEMU to ask what it can do, kills it and starts it again, within milliseconds; passt has one client."""
        busy, turned_away = [], []

        def one_client(server, connection):
            if busy:
                turned_away.append(connection)
                time.sleep(0.005)
                return
            busy.append(connection)
            qrap_world.speak_first(server, connection)
            time.sleep(0.1)     # as long as this passt takes to see that its client went
            busy.remove(connection)
        self.world.server(SERVED, one_client)
        for _ in range(3):
            process = self.world.start("-S", FAKE_STAYS="1")
            report = wait_until(self.world.report, "QEMU", 20)
            self.assertNotIn("error", report)
            process.kill()      # the next one is there before this one is buried
        self.assertGreaterEqual(len(turned_away), 2)


if __name__ == "__main__":
    netns_test.main()
