#!/usr/bin/env python3
"""Whose rights the daemon keeps: who starts it, and what --runas says."""
import grp
import os
import pwd
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import netns_test
from guests import Daemon, NamedGuest, OnSimulatedHost, statuses
from hosts import USER, wait_until
from passt import Passt

NOBODY = pwd.getpwnam("nobody")


def ids(pid):
    """Real, effective, saved and filesystem ids of all threads, as the machine sees them, and their groups."""
    return {(status["Uid"], status["Gid"], status["Groups"].strip()) for status in statuses(pid)}


def only(uid, gid):
    return {("\t".join([str(uid)] * 4), "\t".join([str(gid)] * 4), "")}


class Identity(OnSimulatedHost, unittest.TestCase):
    def refused(self, *words, uid, start=()):
        done = self.host.run(*start, self.host.binary("passt"), "-f", "-q", *words, "-s", f"{self.host.dir}/refused.socket", uid=uid, check=False)
        self.assertEqual(done.returncode, 1, done.stderr)
        return done.stderr

    def assert_is(self, expected, *words, uid):
        with self.subTest(words=words, uid=uid):
            daemon = Passt(self.host, "-q", *words, uid=uid)
            self.addCleanup(daemon.stop)
            self.assertEqual(ids(daemon.pid), expected)
            self.assertEqual({int(status[name], 16) for status in statuses(daemon.pid) for name in ("CapEff", "CapPrm", "CapInh", "CapBnd", "CapAmb")}, {0})
            self.assertEqual(daemon.stop(), 0)
            self.assertEqual("will change to nobody" in daemon.log(), uid is None and not words)

    def test_root_becomes_nobody_unless_it_says_whom(self):
        login = next(entry for entry in pwd.getpwall() if entry.pw_uid not in (0, entry.pw_gid))    # a group of another number
        group = next(entry for entry in grp.getgrall() if entry.gr_gid not in (0, login.pw_gid))
        for words, uid, gid in (((), NOBODY.pw_uid, NOBODY.pw_gid),
                                (("--runas", USER), USER, USER),
                                (("--runas", f"{USER}:12345"), USER, 12345),
                                (("--runas", login.pw_name), login.pw_uid, login.pw_gid),
                                (("--runas", f"{login.pw_name}:{group.gr_name}"), login.pw_uid, group.gr_gid),
                                (("--runas", "0"), 0, 0), (("--runas", "0:0"), 0, 0), (("--runas", f"0:{USER}"), 0, USER)):
            self.assert_is(only(uid, gid), *words, uid=None)

    def test_a_user_stays_who_he_is_and_becomes_nobody_else(self):
        self.assert_is(only(USER, USER), uid=USER)
        self.assert_is(only(USER, USER), "--runas", USER, uid=USER)
        self.assert_is(only(USER, USER), "--runas", f"{USER}:{USER}", uid=USER)
        self.assertIn("Couldn't change the user", self.refused("--runas", f"{USER + 1}:{USER}", uid=USER))
        self.assertIn("Couldn't change the group", self.refused("--runas", f"{USER}:{USER + 1}", uid=USER))
        self.assertIn("Couldn't change the group", self.refused("--runas", "0", uid=USER))

    def test_root_of_a_user_namespace_stays_that(self):
        as_root_inside = ("unshare", "-Ur")
        guest = self.host.popen(*as_root_inside, self.host.binary("passt"), "-f", "-q", "--pid", f"{self.host.dir}/inside.pid",
                                "-s", f"{self.host.dir}/inside.socket", uid=USER, stderr=-1)
        wait_until(lambda: guest.poll() is not None or os.path.exists(f"{self.host.dir}/inside.pid") and os.path.getsize(f"{self.host.dir}/inside.pid"), "PID file")
        self.assertIsNone(guest.poll())
        self.assertEqual({uid for uid, _, _ in ids(guest.pid)}, {"\t".join([str(USER)] * 4)})
        guest.terminate()
        self.assertEqual(guest.wait(10), 0)
        self.assertEqual(guest.stderr.read(), "")
        self.assertIn("Couldn't change the group", self.refused("--runas", "1", uid=USER, start=as_root_inside))     # not mapped

    def test_who_is_not_to_be_found_is_refused(self):
        for value in ("root", "nosuchlogin", "nobody:nosuchgroup", "1:", ":1", "-1", "4294967295", f"{USER}:4294967295", "1:nogroup"):
            with self.subTest(value=value):
                self.assertIn("Invalid --runas option", self.refused(f"--runas={value}", uid=None))

    def test_pasta_is_whom_it_is_told_to_be_with_files_of_who_started_it(self):
        guest = NamedGuest(self.host)
        self.addCleanup(guest.close)
        for words, uid in (((), NOBODY.pw_uid), (("--runas", USER), USER), (("--runas", "0"), 0)):
            with self.subTest(words=words):
                log = f"{self.host.dir}/pasta{uid}.log"
                daemon = Daemon(guest, *words, "--log-file", log, "--netns", target=[guest.name], uid=None)
                self.addCleanup(daemon.stop)
                self.assertEqual({status["Uid"] for status in statuses(daemon.pid)}, {"\t".join([str(uid)] * 4)})
                self.assertEqual((os.stat(log).st_uid, os.stat(log).st_mode & 0o777), (0, 0o600))
                self.assertEqual(daemon.stop(), 0)


if __name__ == "__main__":
    netns_test.main()
