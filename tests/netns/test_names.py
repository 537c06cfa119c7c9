#!/usr/bin/env python3
"""tapioca: an instance is found by the name of its namespace, its machine or its socket; listings are for people and for programs."""
import json
import os
import pty
import shutil
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import netns_test
from guests import Daemon, Guest
from hosts import USER, SimulatedHost
from passt import Passt


class Names(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.host = SimulatedHost()
        cls.guest = Guest(cls.host)
        cls.place = f"{cls.host.dir}/a-namespace"
        os.symlink(f"/proc/{cls.guest.pid}/ns/net", cls.place)
        cls.pasta = Daemon(cls.guest, "--no-netns-quit", "--netns", cls.place, "--userns", f"/proc/{cls.guest.pid}/ns/user", target=())
        cls.passt = Passt(cls.host, path=f"{cls.host.dir}/12-a-machine-net0.socket")

    @classmethod
    def tearDownClass(cls):
        cls.passt.stop()
        cls.pasta.stop()
        cls.host.close()

    def tapioca(self, *words, status=0):
        done = self.host.run(self.host.binary("tapioca"), *words, uid=USER, check=False)
        self.assertEqual(done.returncode, status, done.stderr)
        return done.stdout if status == 0 else done.stderr

    def found(self, *words):
        return [json.loads(line)["pid"] for line in self.tapioca("ps", "--json", *words).splitlines()]

    def test_by_names(self):
        self.assertEqual(sorted(self.found()), sorted([self.pasta.pid, self.passt.pid]))
        for name in ("a-namespace", self.place, self.pasta.pid):
            self.assertEqual(self.found(name), [self.pasta.pid])
        for name in ("a-machine", "12-a-machine-net0", self.passt.path, self.passt.pid):
            self.assertEqual(self.found(name), [self.passt.pid])
        self.assertIn("called nobody", self.tapioca("ps", "nobody", status=1))
        self.assertIn("a-machine", self.tapioca("ps"))
        self.assertIn("a-namespace", self.tapioca("ps"))

    def test_each_listing_has_a_form_for_programs(self):
        for command in ("ps", "flows", "drops", "rules", "metrics"):
            with self.subTest(command=command):
                lines = [json.loads(line) for line in self.tapioca(command, "--json").splitlines()]
                self.assertEqual({line["pid"] for line in lines}, {self.pasta.pid, self.passt.pid})

    def on_terminal(self, columns, *words):
        """What is printed on a terminal so wide."""
        ours, theirs = pty.openpty()
        subprocess.run(["stty", "cols", str(columns), "rows", "24"], stdin=theirs, check=True)
        process = self.host.popen("env", *words[:1], self.host.binary("tapioca"), *words[1:], uid=USER, stdout=theirs, stderr=theirs, stdin=theirs, text=False)
        os.close(theirs)
        said = b""
        try:
            while part := os.read(ours, 65536):
                said += part
        except OSError:     # the other end is closed
            pass
        process.wait()
        os.close(ours)
        return said.decode().replace("\r\n", "\n")

    @unittest.skipUnless(shutil.which("stty"), "needs stty")
    def test_on_a_terminal_lines_fit_and_colours_are_as_its_user_wants(self):
        for columns in (80, 120):
            lines = self.on_terminal(columns, "TERM=xterm", "ps").splitlines()
            self.assertGreater(len(lines), 2)
            self.assertLessEqual(max(map(len, lines)), columns)
        self.assertIn("\x1b[", self.on_terminal(80, "TERM=xterm", "doctor"))
        self.assertNotIn("\x1b[", self.on_terminal(80, "NO_COLOR=1", "doctor"))


if __name__ == "__main__":
    netns_test.main()
