#!/usr/bin/env python3
"""The commands of README.md and of the guide work when they are pasted: each is run as its reader would, in a simulated host.

TAPIOCA_SHOW_GUIDE=1 shows what each has printed; words behind the file's name (Guide.test_ports_12) run some of them.
"""
import os
import re
import shutil
import subprocess
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import documented
import netns_test
import qrap_world
from documented_host import documented_host
from hosts import USER, has_ended, run, wait_until


@netns_test.needs("dnsmasq", "curl")
class Guide(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.host = documented_host()
        shutil.copy(qrap_world.binary(), f"{cls.host.dir}/qrap")
        cls.ours = cls.processes()

    @classmethod
    def tearDownClass(cls):
        cls.host.close()

    @classmethod
    def processes(cls):
        return set(run("ip", "netns", "pids", cls.host.name).stdout.split())

    def tearDown(self):
        """What an example leaves behind ends here: all that has come into the simulated host, and what those have started."""
        started = self.processes() - self.ours
        for pid in started:
            subprocess.run(["kill", "-KILL", pid], stderr=subprocess.DEVNULL)
        wait_until(lambda: self.processes() <= self.ours and all(map(has_ended, started)), "end of what the example has started")

    def paste(self, block):
        directory = f"{self.host.dir}/{self._testMethodName}"
        os.mkdir(directory, 0o777)
        os.chmod(directory, 0o777)
        self.addCleanup(shutil.rmtree, directory)
        for name in re.findall(r"\bfile=(\S+\.img)\b", block.script):     # a disk without a system: the firmware asks for an address, too
            with open(f"{directory}/{name}", "wb") as disk:
                disk.truncate(1 << 20)
            os.chmod(disk.name, 0o666)
        script = f"cd {directory}\nexport HOME={directory} PATH={self.host.dir}:/usr/sbin:/usr/bin:/sbin:/bin\n" + documented.patient(block.script)
        status, text = self.outcome(script, block)
        if os.environ.get("TAPIOCA_SHOW_GUIDE"):
            print(f"\n--- {block.page}:{block.line}\n{block.script}--- status {status}\n{text}---", flush=True)
        for expected in block.texts:
            self.assertIn(expected, text)
        self.assertEqual(status, None if block.until else 0, text)

    def outcome(self, script, block):
        """(status, what it printed); the status is None if it goes on, with all that it is expected to print."""
        with open(f"{self.host.dir}/said", "w+", errors="replace") as said:      # a file and no pipe: a daemon would keep a pipe open
            process = subprocess.Popen(self.host.argv(["sh", "-ec", script], None if block.root else USER), env=self.host.environment(), cwd=self.host.dir,
                                       stdin=subprocess.PIPE, stdout=said, stderr=subprocess.STDOUT, text=True)
            process.stdin.write("ip route\n")       # one line of input, in case that it starts another shell
            process.stdin.close()
            end = time.monotonic() + 120
            while process.poll() is None and time.monotonic() < end:
                if block.until and all(text in self.said() for text in block.texts):
                    break
                time.sleep(0.05)
            status = process.poll()
            if status is None:
                process.kill()
                process.wait()
                if not block.until:
                    self.fail(f"it has not ended after two minutes: {self.said()}")
        return status, self.said()

    def said(self):
        with open(f"{self.host.dir}/said", errors="replace") as f:
            return f.read()


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

    def test_what_does_not_end_is_marked(self):
        (block,) = documented.blocks_of("a.md", "<!-- run until: ready -->\n```sh\nsleep 9\n```\n")
        self.assertEqual((block.run, block.until, block.root, block.texts), (True, True, False, ("ready",)))

    def test_most_commands_of_the_guide_are_run(self):
        run_here = [b for b in documented.blocks() if b.run]
        self.assertGreater(len(run_here), 20)


if __name__ == "__main__":
    netns_test.main()
