#!/usr/bin/env python3
"""tapioca metrics: in the formats of collectors, printed and served, whatever other clients do."""
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import cleanup
import metrics_text
import netns_test
from guests import Daemon, Guest
from hosts import PYTHON, REMOTE4, USER, SimulatedHost, wait_until

PROMTOOL = os.environ.get("TAPIOCA_PROMTOOL") or shutil.which("promtool")
FETCH = "import sys, urllib.request; print(urllib.request.urlopen(sys.argv[1], timeout=10).read().decode(), end='')"
CONNECT = """import socket, sys
try:
    socket.create_connection((sys.argv[1], 9101), 3)
    print("connected")
except OSError as why:
    print(type(why).__name__)
"""
WRONG = {
    "no end": "# HELP a b\n# TYPE a gauge\na 1\n",
    "a series twice": '# HELP a b\n# TYPE a gauge\na{c="d"} 1\na{c="d"} 2\n# EOF\n',
    "a family twice": "# HELP a b\n# TYPE a gauge\na 1\n# HELP a b\n# TYPE a gauge\n# EOF\n",
    "a family in the middle of another": "# HELP a b\n# TYPE a gauge\na 1\n# HELP c d\n# TYPE c gauge\nc 1\na 2\n# EOF\n",
    "no help": "# TYPE a gauge\na 1\n# EOF\n",
    "a quote in a label": '# HELP a b\n# TYPE a gauge\na{c="d"e"} 1\n# EOF\n',
    "a counter without its end": "# HELP a b\n# TYPE a counter\na 1\n# EOF\n",
}


class Metrics(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.host = SimulatedHost()
        cls.host.start_services()
        cls.guests = [Guest(cls.host) for _ in range(2)]
        cls.daemons = [Daemon(guest) for guest in cls.guests]
        for guest in cls.guests:
            guest.run("ping", "-c", "1", "-W", "3", REMOTE4, check=False)
        cls.path = f"{cls.host.dir}/metrics.socket"

    @classmethod
    def tearDownClass(cls):
        for daemon in cls.daemons:
            daemon.stop()
        cls.host.close()

    def serve(self, place, *words):
        server = self.host.popen(self.host.binary("tapioca"), "metrics", "--listen", place, *words, uid=USER, stderr=subprocess.PIPE)
        self.addCleanup(cleanup.end_process, server)
        return server

    def at_path(self):
        server = self.serve(f"unix:{self.path}")
        wait_until(lambda: self.connects(), "server of metrics")
        return server

    def connects(self):
        with socket.socket(socket.AF_UNIX) as s:
            return s.connect_ex(self.path) == 0

    def fetch(self, request=b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n", timeout=20):
        """(head, body) of the answer from the socket at the path."""
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(timeout)
            s.connect(self.path)
            s.sendall(request)
            said = b""
            while part := s.recv(65536):
                said += part
        head, _, body = said.decode().partition("\r\n\r\n")
        return head, body

    def judge(self, text, openmetrics=False):
        found = metrics_text.families(text, openmetrics)
        total = "" if openmetrics else "_total"
        kind, series = found[f"tapioca_drops{total}"]
        self.assertEqual(kind, "counter")
        pids = {pid for name in series for pid in re.findall(r'pid="(\d+)"', name)}
        self.assertEqual(pids, {str(daemon.pid) for daemon in self.daemons})
        self.assertGreater(sum(found[f"tapioca_guest_transmit_frames{total}"][1].values()), 0)
        self.assertNotRegex(text, r"\d+\.\d+\.\d+\.\d+|/run|/tmp")
        return found

    def test_the_judge_finds_what_is_wrong(self):
        for what, text in WRONG.items():
            with self.subTest(what=what), self.assertRaises(metrics_text.Malformed):
                metrics_text.families(text, openmetrics=True if what == "a counter without its end" else False)

    def test_both_formats_are_well_formed(self):
        tapioca = self.host.binary("tapioca")
        self.judge(self.host.run(tapioca, "metrics", uid=USER).stdout)
        self.judge(self.host.run(tapioca, "metrics", "--openmetrics", uid=USER).stdout, openmetrics=True)

    @unittest.skipUnless(PROMTOOL, "needs promtool in $PATH or $TAPIOCA_PROMTOOL")
    def test_promtool_has_nothing_to_say(self):
        text = self.host.run(self.host.binary("tapioca"), "metrics", uid=USER).stdout
        done = subprocess.run([PROMTOOL, "check", "metrics"], input=text, capture_output=True, text=True, timeout=60, check=False)
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "", ""))

    def test_a_collector_fetches_them_at_a_path(self):
        server = self.at_path()
        head, body = self.fetch()
        self.assertIn("200 OK", head)
        self.assertIn(f"Content-Length: {len(body)}", head)
        self.judge(body)
        head, body = self.fetch(b"GET /metrics HTTP/1.1\r\nAccept: application/openmetrics-text;version=1.0.0,text/plain;q=0.5\r\n\r\n")
        self.assertIn("Content-Type: application/openmetrics-text", head)
        self.judge(body, openmetrics=True)
        server.send_signal(signal.SIGTERM)
        self.assertEqual(server.wait(10), 0)
        self.assertFalse(os.path.exists(self.path))

    def test_a_socket_that_was_left_over_is_no_obstacle_and_one_in_use_is(self):
        server = self.at_path()
        second = self.serve(f"unix:{self.path}")
        self.assertEqual(second.wait(10), 1)
        self.assertIn("in use", second.stderr.read())
        server.kill()
        server.wait()
        self.assertTrue(os.path.exists(self.path))
        self.at_path()
        self.judge(self.fetch()[1])

    def test_a_collector_fetches_them_on_loopback_and_nobody_else_can(self):
        for place, url in (("127.0.0.1:9101", "http://127.0.0.1:9101/metrics"), ("[::1]:9101", "http://[::1]:9101/metrics")):
            server = self.serve(place)
            host = "::1" if "::" in place else "127.0.0.1"
            wait_until(lambda: "connected" in self.host.run(PYTHON, "-c", CONNECT, host).stdout, "server of metrics")
            self.judge(self.host.run(PYTHON, "-c", FETCH, url).stdout)
            self.assertEqual(self.host.run_remote(PYTHON, "-c", CONNECT, "192.0.2.2").stdout.strip(), "ConnectionRefusedError")
            cleanup.end_process(server)
        for place in ("0.0.0.0:9101", "192.0.2.2:9101", "9101", "[::]:9101"):
            done = self.host.run(self.host.binary("tapioca"), "metrics", "--listen", place, uid=USER, check=False)
            self.assertEqual(done.returncode, 2)
            self.assertIn("loopback", done.stderr)

    def test_clients_that_are_slow_or_rude_harm_nobody_for_long(self):
        self.at_path()
        rude = []
        for octets in (b"", b"GET /metr", b"x" * 100_000, b"GET /metrics HTTP/1.1\r\n" + b"a: b\r\n" * 10_000):
            s = socket.socket(socket.AF_UNIX)
            s.settimeout(0.5)
            s.connect(self.path)
            try:
                s.sendall(octets)
            except OSError:
                pass
            rude.append(s)
        before = time.monotonic()
        self.judge(self.fetch()[1])
        self.assertLess(time.monotonic() - before, 6.5 * len(rude))
        for s in rude:
            s.close()
        before = time.monotonic()
        self.judge(self.fetch()[1])
        self.assertLess(time.monotonic() - before, 5)
        self.assertIn("404", self.fetch(b"GET /etc/passwd HTTP/1.1\r\n\r\n")[0])

    def test_an_instance_that_does_not_answer_is_left_out(self):
        server = self.at_path()
        os.kill(self.daemons[0].pid, signal.SIGSTOP)
        try:
            text = self.fetch()[1]
        finally:
            os.kill(self.daemons[0].pid, signal.SIGCONT)
        self.assertNotIn(f'pid="{self.daemons[0].pid}"', text)
        self.assertIn(f'pid="{self.daemons[1].pid}"', text)
        metrics_text.families(text, openmetrics=False)
        self.assertIsNone(server.poll())


if __name__ == "__main__":
    netns_test.main()
