#!/usr/bin/env python3
"""Our pesto and upstream's with upstream's passt and pasta: what they print, their statuses, and the octets that they send.

TAPIOCA_PEERS is the directory of upstream's passt, pasta and pesto; without it this is skipped. Of error texts the part is compared
that callers know: behind a semicolon ours say what would be right.
"""
import os
import subprocess
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import cleanup
import netns_test
from guests import Guest
from hosts import USER, SimulatedHost, known_part, wait_until
from pesto_server import Recorder

PEERS = os.environ.get("TAPIOCA_PEERS", "")
RULES = ("-t", "8000", "-t", "127.0.0.1%lo/8003-8005:9003-9005", "-u", "0.0.0.0/9000:10.1.2.3/90")
OF_PASTA = RULES + ("-T", "2200")

# What is done to a table of RULES. Nothing of it is a difference.
SEQUENCES = (
    ((),), (("-s",),), (("-d",),), (("-d", "-s", "-A", "-t", "81"),), (("-A",),), (("-D",),), (("-s", "-A"),),
    (("-t", "8090", "-s"),), (("-u", "8091", "-t", "8092", "-s"),), (("-t", "none", "-s"),), (("-t", "8080", "-t", "none"),),
    (("-A", "-t", "8080:80", "-s"), ()), (("--add", "--tcp-ports=8080:80", "--show"), ("--delete", "--tcp-p", "8080:80", "-s")),
    (("-A", "-t", "8001,8002,~8002", "-s"),), (("-A", "-t", "8010-8020,~8015", "-s"), ("-D", "-t", "8010-8020,~8015", "-s")),
    (("-At8080", "-s"), ("-sDt8080",)), (("-t", "8100", "-A", "-t", "8101", "-D", "-t", "8100", "-s"),),
    (("-A", "-t", "8102", "-C", "HOST", "-t", "8103", "-s"),), (("-C", "HOST", "-s"), ("-s", "-C", "HOST")),
    (("-C", "host"),), (("-C", "",),), (("-C", "NOPE", "-t", "80"),),
    (("-D", "-t", "8000", "-s"), ("-D", "-t", "8000", "-s")), (("-D", "-t", "8001"),),
    (("-D", "-t", "7999-8000"),), (("-D", "-t", "127.0.0.1/8000"),), (("-D", "-t", "8000:8001"),),
    (("-D", "-t", "127.0.0.1%lo/8003-8005:9003-9005", "-u", "0.0.0.0/9000:10.1.2.3/90", "-s"),), (("-D", "-t", "none"),),
    (("-A", "-t", "none"),), (("-A", "-t", "7990-8000"),), (("-A", "-t", "[::1]/8000"),), (("-A", "-u", "8000", "-s"),),
    (("-A", "-u", "9000"),), (("-A", "-u", "[::]/9000:fc00::1/90", "-s"),), (("-A", "-t", "127.0.0.1/8004"),),
    (("-A", "-t", "127.0.0.2/8004", "-s"),), (("-A", "-t", "%lo/8110", "-s"),), (("-A", "-t", "*%lo/8110", "-s"),),
    (("-A", "-u", "8120,8120"),), (("-A", "-t", "8130:10.0.0.1/80"),), (("-A", "-t", "[::]/8130:10.0.0.1/80"),),
    (("-A", "-t", "0.0.0.0/8130:224.0.0.1/80"),), (("-A", "-t", "0"),), (("-A", "-t", "8130:0"),), (("-A", "-t", "x"),),
    (("-A", "-t", ""),), (("-A", "-t", "80,"),), (("-A", "-t", "5-4"),), (("-A", "-t", "8140-8141:9140"),), (("-A", "-t", "70000"),),
    (("-A", "-t", "0.0.0.0/8150-8151:10.88.0.2/80-81", "-t", "[::]/8150-8151:fd00::2/80-81"),
     ("--delete", "-t", "0.0.0.0/8150-8151:10.88.0.2/80-81", "-t", "[::]/8150-8151:fd00::2/80-81"), ()),
    (sum((("-t", f"127.0.0.{i}/1-65535") for i in range(2, 8)), ()),),
)
OF_PASTA_ALONE = (
    (("-T", "2201", "-s"),), (("-T", "2201", "-t", "8080", "-s"),), (("-A", "-T", "2201", "-U", "2202:2203", "-s"), ("-D", "-T", "2201", "-s")),
    (("-A", "-T", "127.0.0.1/2201"),), (("-A", "-T", "%lo/2201"),), (("-C", "SPLICE", "-s"),), (("-C", "SPLICE", "-C", "HOST", "-s"),),
    (("-D", "-T", "2201"),), (("-s", "-U", "65000-65010,auto"), ("-s", "-D", "-U", "65000-65010,auto")),
    (("-A", "-t", "8160-8162,auto", "-s"), ("-D", "-t", "8160-8162")),
)
OF_PASST_ALONE = ((("-T", "33"),), (("-A", "-T", "33"),), (("-D", "-U", "33"),), (("-T", "none"),), (("-A", "-t", "auto"),),
                  (("-A", "-t", "8080,auto"),), (("-C", "SPLICE"),))
# Before a server is asked.
WITHOUT_SERVER = ((), ("x", "y"), ("",), ("-s", "-s"), ("/nonexistent/socket",), ("-t", "x", "/nonexistent/socket"), ("--", "-s"),
                  ("-C", "NOPE", "x"), ("a" * 107,), ("a" * 108,))


class Server:
    """Upstream's passt or pasta, with a control socket."""

    def __init__(self, host, name, rules):
        self.host, self.rules, self.socket = host, rules, f"{host.dir}/{name}.control"
        self.recorded = f"{host.dir}/{name}.recorded"
        own = (Guest(host).pid,) if name == "pasta" else ()
        argv = [f"{PEERS}/{name}", "-f", "-c", self.socket, *(("--config-net",) if own else ("-s", f"{host.dir}/{name}.guest")),
                *(option for letter in ("tuTU" if own else "tu") for option in (f"-{letter}", "none")), *own]
        with open(f"{host.dir}/{name}.log", "w") as log:
            self.process = host.popen(*argv, uid=USER, stdout=log, stderr=log)
        wait_until(lambda: os.path.exists(self.socket) or self.process.poll() is not None, "control socket")
        wait_until(lambda: self.run("upstream").returncode == 0, "server")

    def argv(self, whose):
        return [f"{PEERS}/pesto" if whose == "upstream" else self.host.binary("pesto")]

    def run(self, whose, *options, path=None):
        return self.host.run(*self.argv(whose), *options, path or self.socket, check=False)

    def reset(self):
        done = self.run("upstream", *self.rules)
        assert done.returncode == 0, done.stderr

    def outcome(self, whose, options):
        """(status, standard output, standard error, what was sent)"""
        recorder = Recorder(self.recorded, self.socket)
        done = self.run(whose, *options, path=self.recorded)
        recorder.join(20)
        return (done.returncode, done.stdout, known_part(done.stderr), bytes(recorder.received).hex())

    def stop(self):
        cleanup.end_process(self.process)


class AgainstUpstream:
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.host = SimulatedHost()
        cls.server = Server(cls.host, cls.name, cls.rules)

    @classmethod
    def tearDownClass(cls):
        cls.server.stop()
        cls.host.close()

    def both(self, sequence):
        outcomes = []
        for whose in ("upstream", "ours"):
            self.server.reset()
            outcomes.append([self.server.outcome(whose, options) for options in sequence])
        return outcomes

    def test_same_words_statuses_and_octets(self):
        for sequence in SEQUENCES + self.alone:
            with self.subTest(sequence=sequence):
                upstream, ours = self.both(sequence)
                if sequence in self.nothing_to_send:
                    upstream, ours = ([outcome[:3] for outcome in all] for all in (upstream, ours))
                self.assertEqual(ours, upstream)

    # Ours does not send tables in which nothing has changed: upstream's server would open each socket anew.
    nothing_to_send = ((("-A", "-t", "none"),), (("-D", "-t", "none"),))

    def test_what_is_there_is_added_with_success_and_without_a_change(self):
        self.server.reset()
        for options in (("-A", "-t", "8000"), ("-A", "-t", "127.0.0.1%lo/8003-8005:9003-9005", "-u", "0.0.0.0/9000:10.1.2.3/90")):
            with self.subTest(options=options):
                self.assertEqual(self.server.outcome("ours", options), (0, "", "", ""))
        self.assertEqual(self.server.outcome("upstream", ("-A", "-t", "8000"))[0], 1)
        before = self.server.run("ours").stdout
        self.assertEqual(self.server.run("ours", "-A", "-t", "8000", "-t", "8180").returncode, 0)
        self.assertEqual(self.server.run("ours", "-D", "-t", "8180").returncode, 0)
        self.assertEqual(self.server.run("ours").stdout, before)

    def test_the_nearest_rule_is_named(self):
        self.server.reset()
        for options, near in ((("-D", "-u", "8000"), "; the nearest is TCP [*]:8000  =>  8000"),
                              (("-D", "-t", "127.0.0.1%eth0/8004"), "; the nearest is TCP [127.0.0.1]%lo:8003-8005  =>  9003-9005")):
            with self.subTest(options=options):
                done = self.server.run("ours", *options)
                self.assertEqual(done.returncode, 1)
                self.assertIn(near + "\nUnable to delete rule", done.stderr)

    def test_rules_can_be_added_behind_a_deletion(self):
        """Upstream's client fails there, without a reason."""
        self.server.reset()
        self.assertEqual(self.server.run("ours", "-D", "-t", "8000", "-A", "-t", "8190").returncode, 0)
        self.assertIn("TCP [*]:8190  =>  8190 \n", self.server.run("upstream").stdout)

    def test_a_refusal_by_the_server_is_an_error(self):
        """We take ports of two interfaces for two; upstream's server does not, and closes the connection before it has read all."""
        self.server.reset()
        done = self.server.run("ours", "-A", "-t", "%lo/8195", "-t", "%eth0/8195")
        self.assertEqual((done.returncode, done.stderr), (1, "The server refused the new rules; its log says why\n"))

    def test_twenty_clients_at_once(self):
        self.server.reset()
        clients = [self.host.popen(*self.server.argv("ours"), "-A", "-t", str(8200 + n), self.server.socket) for n in range(20)]
        self.assertEqual([client.wait(20) for client in clients], [0] * 20)
        self.assertIn("TCP [*]:82", self.server.run("ours").stdout)     # each sends whole tables: the last wins


class WithPasta(AgainstUpstream, unittest.TestCase):
    name, rules, alone = "pasta", OF_PASTA, OF_PASTA_ALONE


class WithPasst(AgainstUpstream, unittest.TestCase):
    name, rules, alone = "passt", RULES, OF_PASST_ALONE


class WithoutServer(unittest.TestCase):
    def run_both(self, *argv):
        return [subprocess.run([f"{place}/pesto", *argv], capture_output=True, text=True, timeout=20, cwd="/")
                for place in (PEERS, os.environ["TAPIOCA_BIN"])]

    def test_same_words_and_statuses(self):
        for argv in WITHOUT_SERVER:
            with self.subTest(argv=argv):
                upstream, ours = self.run_both(*argv)
                self.assertEqual((ours.returncode, ours.stdout), (upstream.returncode, upstream.stdout))
                if "Usage:" in upstream.stderr:
                    self.assertIn("Usage: ", ours.stderr)
                else:
                    self.assertEqual(known_part(ours.stderr), known_part(upstream.stderr))

    def test_help_and_version(self):
        for option in ("-h", "--help", "--version", "--ver", "-sh"):
            with self.subTest(option=option):
                upstream, ours = self.run_both(option)
                self.assertEqual((ours.returncode, ours.stderr), (upstream.returncode, upstream.stderr) if option != "-sh" else (0, ""))
                self.assertEqual(ours.stdout.split()[0], upstream.stdout.split()[0])

    def test_the_same_options(self):
        """Each option that upstream's usage text names is one of ours, and the reverse."""
        def names(text):
            words = [line.split()[:3] for line in text.splitlines() if line.startswith("  -") or line.startswith("      --")]
            return {w.rstrip(",") for line in words for w in line if w.startswith("-")}
        upstream, ours = self.run_both("--help")
        self.assertEqual(names(ours.stdout), names(upstream.stdout))


if __name__ == "__main__":
    absent = [name for name in ("passt", "pasta", "pesto") if not os.access(f"{PEERS}/{name}", os.X_OK)]
    if absent:
        print(f"skipped: needs upstream's {', '.join(absent)} in the directory TAPIOCA_PEERS")
        sys.exit(77)
    netns_test.main()
