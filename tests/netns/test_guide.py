#!/usr/bin/env python3
"""The commands of README.md and of the guide work when they are pasted: each is run as its reader would, in a simulated host.

TAPIOCA_SHOW_GUIDE=1 shows what each has printed; words behind the file's name (Guide.test_ports_12) run some of them.
"""
import os
import re
import shutil
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import documented
import netns_test
from documented_host import documented_host
from hosts import USER, run, wait_until


@netns_test.needs("dnsmasq", "curl")
class Guide(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.host = documented_host()
        cls.ours = cls.processes()

    @classmethod
    def tearDownClass(cls):
        cls.host.close()

    @classmethod
    def processes(cls):
        return set(run("ip", "netns", "pids", cls.host.name).stdout.split())

    def tearDown(self):
        """What an example leaves behind ends here: all that has come into the simulated host, and what those have started."""
        for pid in self.processes() - self.ours:
            subprocess.run(["kill", "-KILL", pid], stderr=subprocess.DEVNULL)
        wait_until(lambda: self.processes() <= self.ours, "end of what the example has started")

    def paste(self, block):
        directory = f"{self.host.dir}/{self._testMethodName}"
        os.mkdir(directory, 0o777)
        os.chmod(directory, 0o777)
        self.addCleanup(shutil.rmtree, directory)
        script = f"cd {directory}\nexport HOME={directory} PATH={self.host.dir}:/usr/sbin:/usr/bin:/sbin:/bin\n" + documented.patient(block.script)
        # Its shell gets one line of input, in case that it starts another one. Files instead of pipes: a daemon would keep a pipe open.
        with open(f"{self.host.dir}/said", "w+") as said:
            done = subprocess.run(self.host.argv(["sh", "-ec", script], None if block.root else USER), env=self.host.environment(), cwd=self.host.dir,
                                  stdout=said, stderr=subprocess.STDOUT, timeout=120, input="ip route\n", text=True)
            said.seek(0)
            text = said.read()
        if os.environ.get("TAPIOCA_SHOW_GUIDE"):
            print(f"\n--- {block.page}:{block.line}\n{block.script}--- status {done.returncode}\n{text}---", flush=True)
        self.assertEqual(done.returncode, 0, text)
        for expected in block.texts:
            self.assertIn(expected, text)


def case(block):
    def test(self):
        missing = [p for p in block.programs if not shutil.which(p)]
        if missing:
            self.skipTest(f"not installed: {' '.join(missing)}")
        self.paste(block)
    test.__doc__ = f"{block.page}:{block.line}"
    return test


for found in documented.blocks():
    if found.run:
        name = re.sub(r"\W", "_", os.path.basename(found.page).removesuffix(".md")).lower()
        setattr(Guide, f"test_{name}_{found.line}", case(found))


class Marks(unittest.TestCase):
    def test_a_block_without_a_mark_is_named(self):
        with self.assertRaisesRegex(ValueError, "a.md:4"):
            documented.blocks_of("a.md", "words\n\n```sh\ntrue\n```\n")

    def test_what_a_mark_says_is_read(self):
        both, none = documented.blocks_of("a.md", "<!-- run as root with curl: a b | c -->\n```sh\ntrue\n```\n\n<!-- not run: because -->\n\n```sh\nx\n```\n")
        self.assertEqual((both.run, both.root, both.programs, both.texts, both.script), (True, True, ("curl",), ("a b", "c"), "true\n"))
        self.assertFalse(none.run)

    def test_most_commands_of_the_guide_are_run(self):
        run_here = [b for b in documented.blocks() if b.run]
        self.assertGreater(len(run_here), 20)


if __name__ == "__main__":
    netns_test.main()
