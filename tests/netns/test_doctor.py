#!/usr/bin/env python3
"""tapioca doctor: what keeps pasta and passt from working on a machine is named, with a remedy; where nothing does, nothing is."""
import json
import os
import signal
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import netns_test
from guests import Daemon, Guest
from hosts import USER, SimulatedHost

# A program that is another make.
OTHER_MAKE = "#!/bin/sh\necho 'pasta 2026_01_20'\necho 'Copyright others'\n"
# Runs the words behind directory and user as an ordinary user of a machine on which not much is right.
BROKEN = """set -e
dir=$1 uid=$2
shift 2
mount --make-rslave /
mount -t tmpfs -o mode=755 tmpfs /dev/net
[ ! -e /etc/resolv.conf ] || mount --bind "$dir/broken.conf" /etc/resolv.conf
echo '1 0' > /proc/sys/net/ipv4/ping_group_range
ulimit -n 256
exec setpriv --reuid="$uid" --regid="$uid" --clear-groups --inh-caps=-all -- env PATH="$dir/broken" "$@"
"""


class Machines(unittest.TestCase):
    def host(self, **how):
        host = SimulatedHost(**how)
        self.addCleanup(host.close)
        os.mkdir(f"{host.dir}/broken")
        return host

    def program(self, host, name, text):
        path = f"{host.dir}/broken/{name}"
        with open(path, "w") as f:
            f.write(text)
        os.chmod(path, 0o755)

    def findings(self, done):
        return [json.loads(line) for line in done.stdout.splitlines()]

    def test_where_all_is_well_nothing_is_a_fault(self):
        host = self.host()
        for uid in (USER, None):
            done = host.run("env", f"PATH={host.dir}", host.binary("tapioca"), "doctor", "--json", uid=uid, check=False)
            found = self.findings(done)
            self.assertEqual([f for f in found if f["grade"] == "fault"], [])
            self.assertEqual(done.returncode, 0)
            self.assertEqual([f for f in found if f["about"] == "callers" and f["grade"] != "good"], [])
            self.assertGreater(len(found), 10)

    def test_planted_faults_are_all_named_with_a_remedy(self):
        host = self.host(routes=False)
        with open(f"{host.dir}/broken.conf", "w") as f:
            f.write("search example.org\n")
        self.program(host, "pasta", "#!/nonexistent/interpreter\n")
        self.program(host, "podman", "#!/bin/sh\n")
        broken = ["unshare", "--mount", "sh", "-c", BROKEN, "sh", host.dir, USER, host.binary("tapioca"), "doctor"]
        done = host.run(*broken, "--json", check=False)
        self.assertEqual(done.returncode, 1, done.stderr)
        faults = [f for f in self.findings(done) if f["grade"] == "fault"]
        for about, what, remedy in (("tun", "/dev/net/tun can't be opened", "modprobe tun"), ("resolver", "no resolver", "nameserver"),
                                    ("ping", "(1\t0)", "sysctl -w"), ("open-files", "256", "LimitNOFILE"),
                                    ("host-network", "no default route", "--interface"), ("callers", f"Podman finds {host.dir}/broken/pasta", "noexec"),
                                    ("subordinate-ids", "newuidmap", "uidmap")):
            with self.subTest(about=about):
                mine = [f for f in faults if f["about"] == about and what in f["what"]]
                self.assertTrue(mine and remedy in mine[0]["remedy"], faults)
        text = host.run(*broken, check=False)
        self.assertEqual(text.returncode, 1)
        self.assertEqual(text.stdout.count("\nfault") + text.stdout.startswith("fault"), len(faults))
        self.assertNotIn("\x1b", text.stdout)       # no terminal

    def test_another_make_is_named_where_a_caller_would_find_it(self):
        host = self.host()
        self.program(host, "pasta", OTHER_MAKE)
        self.program(host, "podman", "#!/bin/sh\n")
        conf = f"{host.dir}/containers.conf"
        with open(conf, "w") as f:
            f.write(f'[engine]\nhelper_binaries_dir = ["{host.dir}"]\n')
        for configuration, ours in ((conf, True), ("/dev/null", False)):
            done = host.run("env", f"PATH={host.dir}/broken:/bin", f"CONTAINERS_CONF={configuration}", host.binary("tapioca"), "doctor", "--json",
                            uid=USER, check=False)
            podman, = [f for f in self.findings(done) if f["what"].startswith("Podman finds")]
            if ours:
                self.assertEqual((podman["grade"], podman["what"]), ("good", f"Podman finds {host.dir}/pasta, which is tapioca's"))
            elif f"{host.dir}/broken/pasta" in podman["what"]:      # and not one of this machine
                self.assertEqual(podman["grade"], "hint")
                self.assertIn("another make: pasta 2026_01_20", podman["what"])
                self.assertIn("helper_binaries_dir", podman["remedy"])

    def test_an_instance_that_does_not_answer_is_named(self):
        host = self.host()
        daemon = Daemon(Guest(host))
        doctor = ("env", f"PATH={host.dir}", host.binary("tapioca"), "doctor", "--json")
        self.assertEqual([f["grade"] for f in self.findings(host.run(*doctor, uid=USER)) if f["about"] == "instances"], ["good"])
        os.kill(daemon.pid, signal.SIGSTOP)
        try:
            done = host.run(*doctor, uid=USER, check=False)
        finally:
            os.kill(daemon.pid, signal.SIGCONT)
        self.assertEqual(done.returncode, 1)
        silent, = [f for f in self.findings(done) if f["about"] == "instances"]
        self.assertIn(f"process {daemon.pid}: no answer", silent["what"])
        self.assertIn("kill -CONT", silent["remedy"])
        daemon.stop()


if __name__ == "__main__":
    netns_test.main()
