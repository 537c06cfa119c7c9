"""The runner of the tests in tests/netns: checks what they need, and says plainly why they are skipped (status 77)."""
import importlib.util
import os
import shutil
import stat
import subprocess
import sys
import time
import unittest

import cleanup

sys.dont_write_bytecode = True
DISTRIBUTION_PYTHON = "/usr/bin/python3"
SANITIZED = bool(os.environ.get("TAPIOCA_SANITIZE"))     # sanitizers map memory, have threads, and need room


def missing():
    """Why tests with namespaces cannot run here, or an empty string."""
    if os.geteuid() != 0:
        return "needs root, to make network namespaces"
    for program in ("ip", "nsenter", "setpriv", "unshare", "sysctl"):
        if not shutil.which(program):
            return f"needs the program {program}"
    if not os.path.exists("/dev/net/tun"):
        return "needs /dev/net/tun"
    if "TAPIOCA_BIN" not in os.environ:     # set, but without a pasta in it, is a failure of the build and not a reason to skip
        return "needs TAPIOCA_BIN, the directory of the pasta to be tested"
    user = ["setpriv", "--reuid=10001", "--regid=10001", "--clear-groups", "unshare", "-Urn", "true"]
    if subprocess.run(user, stderr=subprocess.DEVNULL).returncode:
        return "ordinary users may not make user namespaces here"
    return ""


def needs_module(name):
    """Goes on under the distribution's own Python, for which modules are packaged, if this one lacks the module."""
    if importlib.util.find_spec(name):
        return
    if os.path.exists(DISTRIBUTION_PYTHON) and not os.path.samefile(sys.executable, DISTRIBUTION_PYTHON):
        os.execv(DISTRIBUTION_PYTHON, [DISTRIBUTION_PYTHON, *sys.argv])
    print(f"skipped: needs the Python module {name}")
    sys.exit(77)


def needs(*programs):
    """Skips a case whose clients are not installed."""
    absent = [p for p in programs if not shutil.which(p)]
    return unittest.skipIf(absent, f"not installed: {' '.join(absent)}")


class Result(unittest.TextTestResult):
    passed = 0

    def addSuccess(self, test):
        super().addSuccess(test)
        self.passed += 1


def runner(stream=None):
    return unittest.TextTestRunner(stream, verbosity=2, resultclass=Result, warnings="ignore")


def counts(result):
    """(passed, failed, skipped) cases. The set-up of a class is a case of its own if it fails: then none of the class has run."""
    failed = len({getattr(case, "test_case", case).id() for case, _ in result.failures + result.errors})
    return result.passed, failed, len(result.skipped)


def parent_of(pid):
    with open(f"/proc/{pid}/stat") as file:
        return int(file.read().rpartition(")")[2].split()[1])


def left_running():
    """The command lines of processes that still write where we do, if that is a pipe: who reads it waits for them, too. Not those that
    have started us."""
    if not stat.S_ISFIFO(os.fstat(1).st_mode):
        return []
    ours, ancestors, left = os.readlink("/proc/self/fd/1"), [os.getpid()], []
    while ancestors[-1] > 0:
        ancestors.append(parent_of(ancestors[-1]))
    for entry in os.listdir("/proc"):
        if entry.isdigit() and int(entry) not in ancestors:
            try:
                if ours in (os.readlink(f"/proc/{entry}/fd/{number}") for number in (1, 2)):
                    with open(f"/proc/{entry}/cmdline") as file:
                        left.append(file.read().replace("\0", " "))
            except OSError:
                pass        # it has ended
    return left


def leaves_nothing(seconds=5):
    """Whether all that a test has started ends when it is undone."""
    cleanup.undo_all()
    until = time.monotonic() + seconds
    while left := left_running():
        if time.monotonic() > until:
            print(f"FAIL: left running: {left}")
            return False
        time.sleep(0.05)
    return True


def main():
    reason = missing()
    if reason:
        print(f"skipped: {reason}")
        sys.exit(77)
    passed, failed, skipped = counts(unittest.main(testRunner=runner(), exit=False).result)
    failed += not leaves_nothing()
    print(f"{passed} passed, {failed} failed, {skipped} skipped", flush=True)
    sys.exit(failed > 0)
