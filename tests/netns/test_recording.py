#!/usr/bin/env python3
"""The terminal that README.md shows can be recorded again, and does what it did."""
import json
import os
import shutil
import subprocess
import sys
import tempfile
import unittest
import xml.etree.ElementTree

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "support"))
import netns_test

SHOWN = ("192.0.2.2/24", "<!DOCTYPE HTML>", "of a command", "TCP [*]:8080", "A page from the other side.")


@netns_test.needs("dnsmasq", "curl")
class Recording(unittest.TestCase):
    def test_it_is_recorded_and_shows_what_it_promises(self):
        directory = tempfile.mkdtemp(prefix="tapioca-recording-")
        self.addCleanup(shutil.rmtree, directory)
        done = subprocess.run([sys.executable, f"{HERE}/record.py", directory], capture_output=True, text=True, timeout=300)
        self.assertEqual(done.returncode, 0, done.stderr)
        for expected in SHOWN:
            self.assertIn(expected, done.stdout)
        with open(f"{directory}/recording.cast") as f:
            header, *events = (json.loads(line) for line in f)
        self.assertEqual(header["version"], 2)
        self.assertEqual([e[0] for e in events], sorted(e[0] for e in events))
        self.assertEqual({e[1] for e in events}, {"o"})
        picture = "".join(xml.etree.ElementTree.parse(f"{directory}/recording.svg").getroot().itertext())
        for expected in SHOWN:
            self.assertIn(expected, picture)

    def test_the_one_of_the_tree_shows_it_too(self):
        with open(f"{HERE}/../../doc/recording.cast") as f:
            said = "".join(json.loads(line)[2] for line in list(f)[1:])
        for expected in SHOWN:
            self.assertIn(expected, said)


if __name__ == "__main__":
    netns_test.main()
