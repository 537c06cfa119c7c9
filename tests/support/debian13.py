"""A Debian 13 in the place of the simulated host's system: its programs, our pasta and passt, the simulated host's network.

The tree is made by tests/callers/debian13.sh and stays as it is: what the programs write goes to memory or to the test's own directory.
The system is a mount and a PID namespace whose root is the tree (by pivot_root: in a chroot no user namespace can be made), and ends with
its first process, debian13_init.sh.
"""
import os
import subprocess
import sys

import callers
import cleanup
import netns_test
from hosts import USER, run

TREE = os.environ.get("TAPIOCA_DEBIAN13") or os.path.expanduser("~/.cache/tapioca/debian13")
HERE = os.path.dirname(os.path.abspath(__file__))
HOME, RUNTIME = "/home/caller", f"/run/user/{USER}"
PATH = "/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def missing():
    """Why these tests cannot run here, or an empty string."""
    if not os.path.exists(f"{TREE}/complete"):
        return f"needs a Debian 13 tree in {TREE} (or $TAPIOCA_DEBIAN13): tests/callers/debian13.sh makes it"
    return netns_test.missing()


def main(also=lambda: ""):
    """also: what else the tests of one file need."""
    if reason := missing() or also():
        print(f"skipped: {reason}")
        sys.exit(77)
    netns_test.main()


class Debian13:
    def __init__(self, host):
        """host: the simulated host whose network it has."""
        self.host, self.dir, root = host, host.dir, f"{host.dir}/debian13"
        os.mkdir(root)
        argv = host.argv(["unshare", "--mount", "--pid", "--fork", "--kill-child", "--", "sh", f"{HERE}/debian13_init.sh", TREE, root, host.dir])
        self.process = subprocess.Popen(argv, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True)
        self._token = cleanup.at_exit(self._end)
        if self.process.stdout.readline() != "ready\n":
            raise RuntimeError("no Debian 13")
        children = f"/proc/{self.process.pid}/task/{self.process.pid}/children"
        with open(children) as f:
            self.init = int(f.read().split()[0])

    def _end(self):
        cleanup.end_process(self.process)

    def close(self):
        cleanup.now(self._token)

    def argv(self, argv, uid=USER):
        """The command line that runs argv in there, by default as an ordinary user."""
        enter = ["nsenter", f"--target={self.init}", "--net", "--mount", "--pid", "--", "env", "-i", f"PATH={PATH}", "LC_ALL=C.UTF-8", "TERM=dumb"]
        if uid is None:
            return [*enter, "HOME=/root", *map(str, argv)]
        return [*enter, f"HOME={HOME}", f"XDG_RUNTIME_DIR={RUNTIME}", "USER=caller", "LOGNAME=caller",
                "setpriv", f"--reuid={uid}", f"--regid={uid}", "--init-groups", "--", *map(str, argv)]

    def run(self, *argv, uid=USER, check=True, timeout=120, **options):
        return run(*self.argv(argv, uid), check=check, timeout=timeout, stdin=subprocess.DEVNULL, **options)

    def popen(self, *argv, uid=USER, **options):
        process = subprocess.Popen(self.argv(argv, uid), **{"text": True, "stdin": subprocess.DEVNULL, **options})
        cleanup.at_exit(cleanup.end_process, process)
        return process

    def seen(self, path):
        """A path in there, from outside."""
        return f"/proc/{self.init}/root{path}"

    def runs(self, pid):
        """Whether a process with this PID in there runs."""
        return callers.runs(pid, self.seen("/proc"))

    def write(self, path, text):
        """A file of the user's."""
        self.run("sh", "-ec", 'mkdir -p "${1%/*}"; printf %s "$2" >"$1"', "sh", path, text)


class Installed(callers.Caller):
    """Programs of that system call. `world` makes the host, with services behind it."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.system = Debian13(cls.host)

    @classmethod
    def tearDownClass(cls):
        cls.system.close()
        super().tearDownClass()

    def daemons(self, name):
        """PIDs and command lines of our passt or pasta."""
        listed = (line.split() for line in self.system.run("ps", "-axww", "-o", "pid,args").stdout.splitlines()[1:])
        return [(int(pid), words) for pid, *words in listed if words and os.path.basename(words[0]) == name]
