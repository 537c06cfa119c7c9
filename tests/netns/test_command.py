#!/usr/bin/env python3
"""A command in a namespace of its own, started by an ordinary user: what the command finds there, and what its end means."""
import os
import signal
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import netns_test
from guests import OnServingHost
from hosts import HOST4, HOST6, REMOTE4, REMOTE6, USER, wait_until


class Command(OnServingHost, unittest.TestCase):
    def pasta(self, *argv, check=False, uid=USER, **options):
        return self.host.run(self.host.binary(), *argv, uid=uid, check=check, **options)

    def inside(self, script, *options):
        """The output of a shell script inside."""
        done = self.pasta("--config-net", *options, "--", "sh", "-c", script)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def test_exit_status_is_the_commands(self):
        for status in (0, 7):
            self.assertEqual(self.pasta("--config-net", "--", "sh", "-c", f"exit {status}").returncode, status)

    def test_death_by_a_signal_is_128_plus_its_number(self):
        pasta = self.host.popen(self.host.binary(), "--config-net", "--", "sleep", "60", uid=USER)
        children = f"/proc/{pasta.pid}/task/{pasta.pid}/children"

        def command():
            for child in open(children).read().split():
                if os.readlink(f"/proc/{child}/exe").endswith("sleep"):
                    return int(child)
        os.kill(wait_until(command, "command of pasta"), signal.SIGKILL)
        self.assertEqual(pasta.wait(10), 137)

    def test_a_command_that_does_not_exist_is_an_error(self):
        self.assertNotEqual(self.pasta("--config-net", "--", "/nonexistent/command").returncode, 0)

    def test_arguments_reach_the_command_untouched(self):
        done = self.pasta("--config-net", "--", "echo", "--vhost-user", "-F", "9", "a b")
        self.assertEqual((done.returncode, done.stdout), (0, "--vhost-user -F 9 a b\n"))

    def test_options_end_at_the_command(self):
        self.assertEqual(self.pasta("--config-net", "echo", "-n", "hi").stdout, "hi")

    def test_quiet_success_says_nothing(self):
        self.assertEqual(self.pasta("-q", "--config-net", "--", "true").stderr, "")

    def test_standard_input_is_the_commands(self):
        self.assertEqual(self.pasta("--config-net", "--", "cat", input="through\n").stdout, "through\n")

    def test_addresses_are_the_hosts(self):
        shown = self.inside("ip addr")
        self.assertIn(f"inet {HOST4}/24", shown)
        self.assertIn(f"inet6 {HOST6}/64", shown)
        self.assertNotRegex(shown, "scope global.* tentative")

    def test_interface_has_the_name_and_mtu_of_the_options(self):
        self.assertIn("mtu 65520", self.inside("ip link show dev eth0"))
        self.assertIn("mtu 1500", self.inside("ip link show dev tap7", "-I", "tap7", "-m", "1500"))

    def test_mac_address_of_the_options(self):
        self.assertIn("02:00:00:00:00:07", self.inside("ip link show dev eth0", "--ns-mac-addr", "02:00:00:00:00:07"))

    def test_routes_are_the_hosts(self):
        self.assertIn("default via 192.0.2.1 dev eth0", self.inside("ip route"))
        self.assertIn("default via fe80::1 dev eth0", self.inside("ip -6 route"))

    def test_one_address_and_gateway_of_the_options(self):
        shown = self.inside("ip -4 addr; ip route", "-a", "192.0.2.77", "-n", "24", "-g", "192.0.2.254")
        self.assertIn("inet 192.0.2.77/24", shown)
        self.assertNotIn(HOST4 + "/", shown)
        self.assertIn("default via 192.0.2.254", shown)

    def test_one_family_only(self):
        self.assertNotIn("inet6 2001", self.inside("ip addr", "-4"))
        self.assertNotIn(HOST4, self.inside("ip addr", "-6"))

    def test_loopback_is_up(self):
        self.assertIn("127.0.0.1", self.inside("ip addr show dev lo up"))

    def test_without_config_net_the_interface_is_down(self):
        done = self.pasta("--", "sh", "-c", "ip link show dev eth0; ip addr show dev lo up")
        self.assertIn("state DOWN", done.stdout)
        self.assertIn("127.0.0.1", done.stdout)

    def test_hostname(self):
        own = os.uname().nodename
        self.assertEqual(self.inside("uname -n").strip(), f"pasta-{own}"[:64])
        self.assertEqual(self.inside("uname -n", "-H", "tuber").strip(), "tuber")

    def test_proc_is_that_of_the_pid_namespace(self):
        self.assertEqual(self.inside("readlink /proc/self; echo $$ >/dev/null; ls -d /proc/[0-9]* | wc -l").split()[0].isdigit(), True)
        self.assertEqual(self.inside("echo $$").strip(), "1")
        self.assertLess(int(self.inside("ls -d /proc/[0-9]* | wc -l")), 6)

    def test_everybody_may_ping(self):
        self.assertEqual(self.inside("cat /proc/sys/net/ipv4/ping_group_range").split(), ["0", "0"])

    def test_user_is_root_inside(self):
        self.assertEqual(self.inside("id -u; id -g").split(), ["0", "0"])
        self.assertEqual(self.inside("cat /proc/self/uid_map").split(), ["0", str(USER), "1"])

    @netns_test.needs("curl")
    def test_a_page_over_both_families(self):
        for url in (f"http://{REMOTE4}/", f"http://[{REMOTE6}]/"):
            self.assertIn("A page from the other side", self.inside(f"curl -sS --max-time 10 '{url}'"))

    @netns_test.needs("curl")
    def test_started_by_root_it_is_nobody_outside(self):
        done = self.pasta("--config-net", "--", "sh", "-c", f"cat /proc/self/uid_map; curl -sS --max-time 10 http://{REMOTE4}/", uid=None)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("A page from the other side", done.stdout)
        self.assertEqual(done.stdout.split()[:3], ["0", "65534", "1"])

    def test_unknown_option_in_the_words_of_getopt(self):
        done = self.pasta("--nosuch")
        self.assertEqual(done.returncode, 1)
        self.assertIn("unrecognized option '--nosuch'", done.stderr)

    def test_version_and_help(self):
        done = self.pasta("--version")
        self.assertEqual(done.returncode, 0)
        self.assertRegex(done.stdout, "^pasta ")
        done = self.pasta("--help")
        self.assertEqual(done.returncode, 0)
        self.assertIn("--config-net", done.stdout)

    def test_nothing_is_left_behind(self):
        self.inside("true")
        left = self.host.run("pgrep", "-u", str(USER), "--ns", str(self.host.holder.pid), "--nslist", "net", "pasta", check=False).stdout
        self.assertEqual(left, "")


if __name__ == "__main__":
    netns_test.main()
