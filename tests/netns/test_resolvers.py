#!/usr/bin/env python3
"""Several resolvers of the host behind --dns-forward: one after the other is asked until one answers, over UDP and TCP, in both families."""
import contextlib
import os
import socket
import subprocess
import sys
import threading
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import netns_test
from guests import NO_PORTS, Daemon, Guest
from hosts import PYTHON, SimulatedHost, run, wait_until
from inside import BOTH, Task, guest_place, host_place, remote_place
from names import DNSMASQ, REFUSED, SERVFAIL, SMALL, ask, failing_server, words

FORWARD = {4: "169.254.1.1", 6: "fd00:53::1"}
GOOD = {4: "192.0.2.62", 6: "2001:db8::62"}
FAILS = {4: "192.0.2.63", 6: "2001:db8::63"}
REFUSES = {4: "192.0.2.64", 6: "2001:db8::64"}              # where nobody listens
SILENT = {4: "198.18.0.1", 6: "2001:db8:b::1"}              # where packets vanish
UNREACHABLE = {4: "203.0.113.9", 6: "2001:db8:dead::9"}     # the router says so
RESOLVE = "import socket, sys; print(*sorted({a[4][0] for a in socket.getaddrinfo(sys.argv[1], 1)}))"


@netns_test.needs("dnsmasq")
class Resolvers:
    @classmethod
    def setUpClass(cls):
        cls.host = SimulatedHost()
        for address in (*GOOD.values(), *FAILS.values(), *REFUSES.values()):
            run("ip", "-n", cls.host.remote, "addr", "add", address + ("/64" if ":" in address else "/24"), "dev", "eth0", *(["nodad"] if ":" in address else []))
        run("ip", "-n", cls.host.remote, "route", "add", "blackhole", "198.18.0.0/24")
        run("ip", "-n", cls.host.remote, "-6", "route", "add", "blackhole", "2001:db8:b::/64")
        cls.host.popen("nsenter", f"--net=/run/netns/{cls.host.remote}", *DNSMASQ, f"--listen-address={GOOD[4]},{GOOD[6]}", stderr=subprocess.DEVNULL)
        cls.remote, cls.guest = remote_place(cls.host), Guest(cls.host)
        for address in GOOD.values():
            wait_until(lambda: cls.answers(address), "answer of dnsmasq")

    @classmethod
    def tearDownClass(cls):
        cls.host.close()

    @classmethod
    def answers(cls, address):
        try:
            return ask(host_place(cls.host), address, "small.test", socket.SOCK_DGRAM)
        except OSError:
            return None

    def host_has(self, *resolvers):
        with open(f"{self.host.dir}/resolv.conf", "w") as f:      # in place: the file is bind-mounted
            f.writelines(f"nameserver {resolver[family]}\n" for family in (4, 6) for resolver in resolvers)

    def forwarding(self, *resolvers, options=()):
        """A daemon on a host with these resolvers of each family."""
        self.host_has(*resolvers)
        forwards = [word for address in FORWARD.values() for word in ("--dns-forward", address)]
        self.daemon = Daemon(self.guest, "--workers", self.workers, *forwards, *options, ports=NO_PORTS)
        self.addCleanup(self.daemon.stop)
        return guest_place(self.guest)

    def seconds_to_resolve(self, place, address, kind):
        begin = time.monotonic()
        self.assertEqual(ask(place, address, "small.test", kind), words(SMALL))
        return time.monotonic() - begin

    def fails(self, address, code):
        """A server that answers all queries with that code, until the test ends."""
        s, answer = failing_server(self.remote, address, code)
        s.settimeout(0.1)
        done = threading.Event()

        def serve():
            while not done.is_set():
                with contextlib.suppress(TimeoutError):
                    answer()
            s.close()
        thread = threading.Thread(target=serve)
        thread.start()
        self.addCleanup(thread.join)
        self.addCleanup(done.set)

    def resolves_within(self, place, udp, tcp):
        """In each family at most so many seconds; as others may keep the machine busy, the better of the two counts where it is short."""
        for (protocol, kind), limit in zip(BOTH, (tcp, udp)):
            with self.subTest(protocol=protocol):
                self.assertLess(min(self.seconds_to_resolve(place, forward, kind) for forward in FORWARD.values()), limit)

    def test_the_first_is_silent(self):
        place = self.forwarding(SILENT, GOOD)
        for family, forward in FORWARD.items():
            with self.subTest(family=family):
                self.assertLess(self.seconds_to_resolve(place, forward, socket.SOCK_DGRAM), 1.5)
        quick = [self.seconds_to_resolve(place, FORWARD[4], socket.SOCK_DGRAM) for _ in range(20)]
        slow = [seconds for seconds in quick if seconds > 0.5]
        self.assertLessEqual(len(slow), self.workers - 1)       # each worker finds out by itself
        self.assertGreaterEqual(self.daemon.counters()[0]["name_queries_repeated"], 2)

    def test_the_first_is_silent_over_tcp(self):
        place = self.forwarding(SILENT, GOOD)
        for family, forward in FORWARD.items():
            with self.subTest(family=family):
                self.assertLess(self.seconds_to_resolve(place, forward, socket.SOCK_STREAM), 2)

    def test_the_first_has_nobody_who_listens(self):
        place = self.forwarding(REFUSES, GOOD)
        self.resolves_within(place, udp=0.7, tcp=0.7)

    def test_the_first_cannot_be_reached(self):
        place = self.forwarding(UNREACHABLE, GOOD)
        self.resolves_within(place, udp=0.7, tcp=0.7)

    def test_two_in_front_of_the_good_one(self):
        place = self.forwarding(SILENT, UNREACHABLE, GOOD)
        self.resolves_within(place, udp=1.5, tcp=2)

    def test_the_first_fails_or_refuses(self):
        for code in (SERVFAIL, REFUSED):
            with self.subTest(code=code):
                for address in FAILS.values():
                    self.fails(address, code)
                place = self.forwarding(FAILS, GOOD)
                self.assertLess(min(self.seconds_to_resolve(place, forward, socket.SOCK_DGRAM) for forward in FORWARD.values()), 0.7)
                self.doCleanups()

    def test_if_all_fail_the_guest_hears_so(self):
        self.fails(FAILS[4], REFUSED)
        place = self.forwarding(REFUSES, FAILS)
        with self.assertRaisesRegex(ValueError, "flags 818[25]"):
            ask(place, FORWARD[4], "small.test", socket.SOCK_DGRAM)
        self.assertGreaterEqual(self.daemon.counters()[0]["name_queries_failed"], 1)

    def test_if_nobody_listens_the_guest_is_refused(self):
        place = self.forwarding(REFUSES, REFUSES)
        for family, forward in FORWARD.items():
            for protocol, kind in BOTH:
                with self.subTest(family=family, protocol=protocol), self.assertRaises(ConnectionRefusedError):
                    ask(place, forward, "small.test", kind)

    def test_a_named_resolver_is_the_only_one(self):
        place = self.forwarding(GOOD, options=("--dns-host", REFUSES[4]))
        with self.assertRaises(ConnectionRefusedError):
            ask(place, FORWARD[4], "small.test", socket.SOCK_DGRAM)

    def test_a_question_that_waits_while_the_host_gets_another_resolver(self):
        place = self.forwarding(SILENT)
        waiting = Task(self.seconds_to_resolve, place, FORWARD[4], socket.SOCK_DGRAM)
        time.sleep(0.5)
        self.assertTrue(waiting.is_alive())
        self.host_has(GOOD)
        self.assertLess(waiting.result(), 4)
        self.assertEqual(self.daemon.counters()[0]["udp_flows_opened"], 1)     # it was asked once

    def test_programs_of_the_guest_resolve(self):
        self.forwarding(SILENT, GOOD)
        with open(f"{self.host.dir}/guest.conf", "w") as f:
            f.write(f"nameserver {FORWARD[4]}\n")
        begin = time.monotonic()
        found = self.guest.run("unshare", "-m", "sh", "-c", 'mount --bind "$1" /etc/resolv.conf && exec "$2" -c "$3" here.test', "sh", f"{self.host.dir}/guest.conf", PYTHON, RESOLVE).stdout
        self.assertEqual(found.split(), ["192.0.2.99", "2001:db8::99"])
        self.assertLess(time.monotonic() - begin, 3)       # a second try of glibc's comes after five

    def test_many_questions_at_once(self):
        place = self.forwarding(SILENT, GOOD)
        answers = []
        threads = [threading.Thread(target=lambda: answers.append(ask(place, FORWARD[4], "small.test", socket.SOCK_DGRAM))) for _ in range(100)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)
        self.assertEqual(answers, [words(SMALL)] * 100)


class ResolversWithOneWorker(Resolvers, unittest.TestCase):
    workers = 1


class ResolversWithTwoWorkers(Resolvers, unittest.TestCase):
    workers = 2


if __name__ == "__main__":
    netns_test.main()
