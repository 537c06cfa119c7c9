#!/usr/bin/env python3
"""Names in an egress policy: what is not allowed is not asked outside, and what is asked may be connected to at once, and nothing else.

A name server of the tests is the host's resolver; its answers lead to far, beyond the default route, which counts as the internet.
"""
import contextlib
import errno
import json
import os
import socket
import struct
import sys
import threading
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import netns_test
from guests import NO_PORTS, Daemon, Guest
from hosts import FAR4, FAR6, PYTHON, REMOTE4, RESOLVER4, RESOLVER6, UNREACHABLE4, USER, SimulatedHost, run
from inside import Place, guest_place, host_place, remote_place
from name_server import A, AAAA, CNAME, FORMAT_ERROR, HTTPS, NAME_ERROR, NO_ERROR, SERVER_FAILURE, TXT, NameServer, Witness, ask, encoded, query, record

ANYWHERE = {4: "203.0.113.53", 6: "2001:db8:dead::53"}        # where there is no resolver at all: the guest's queries go to port 53 of it
KINDS = {4: A, 6: AAAA}
FAR = {4: FAR4, 6: FAR6}
PORT = 8080
PROHIBITED = (errno.EHOSTUNREACH, errno.EACCES)               # of ICMP's and of ICMPv6's "administratively prohibited"
BLOCKED = 15                                                  # RFC 8914
POLICY = """profile = "deny-all"
allow = ["good.test", "alias.test", "loop.test", "mixed.test", "inside.test", "*.wild.test", "many.test", "rotating.test", "late.test", "fails.test", "https.test",
         { name = "intranet.test", port = 8080, private = true }]
deny = ["evil.test"]
"""
PEOPLE = "import socket, sys; print(*sorted({a[4][0] for a in socket.getaddrinfo(sys.argv[1], 1)}))"


class World:
    """The host, a resolver, and servers at far."""
    @classmethod
    def setUpClass(cls):
        cls.host = SimulatedHost()
        for address, length in ((RESOLVER4, 24), (RESOLVER6, 64)):
            run("ip", "-n", cls.host.remote, "addr", "add", f"{address}/{length}", "dev", "eth0", *(["nodad"] if ":" in address else []))
        run("ip", "-n", cls.host.remote, "route", "add", "blackhole", "198.18.0.0/24")
        cls.remote = remote_place(cls.host)
        cls.server = NameServer(cls.remote, [RESOLVER4, RESOLVER6], lambda name, kind: cls.records(name, kind))
        cls.far = Place(f"/run/netns/{cls.host.far}")
        cls.guest = Guest(cls.host)
        cls.place = guest_place(cls.guest)

    @classmethod
    def tearDownClass(cls):
        cls.server.close()
        cls.host.close()

    @staticmethod
    def records(name, kind):
        far = FAR4 if kind == A else FAR6 if kind == AAAA else None
        own = {"good.test": [far], "deep.wild.test": [far], "evil.test": [far], "late.test": [far], "other.test": [far], "wild.test": [far], "https.test": [far],
               "inside.test": ["192.168.7.7" if kind == A else "fd00::7"], "intranet.test": ["192.168.7.7" if kind == A else "fd00::7"],
               "mixed.test": ["10.1.2.3" if kind == A else "::ffff:10.1.2.3", far],
               "many.test": [f"198.18.{i // 250}.{i % 250 + 1}" if kind == A else f"2001:db8:f:1::{i:x}" for i in range(200)]}
        if name == "fails.test":
            return SERVER_FAILURE
        if name in ("alias.test", "loop.test"):
            to = "evil.test" if name == "alias.test" else "other.test"
            return [record(name, to, CNAME), *([record(to, far, kind)] if far else [])]
        if name not in own:
            return None
        if kind == TXT:
            return [record(name, b"\4text", TXT)]
        return [record(name, a, kind) for a in own[name]] if far else []

    def setUp(self):
        self.server.asked.clear()
        self.server.delay = 0
        self.server.mangled = lambda answer, over_tcp: [answer]

    def daemon(self, policy=POLICY, *options, prefix=()):
        path = f"{self.host.dir}/policy.toml"
        with open(path, "w") as f:
            f.write(policy)
        os.chmod(path, 0o644)
        started = Daemon(self.guest, "--workers", self.workers, "--egress", path, *options, ports=NO_PORTS, prefix=prefix)
        self.addCleanup(started.stop)
        return started

    def listening(self, address, port=PORT):
        s = self.far.bound(address, port)
        self.addCleanup(s.close)
        return s

    def connects(self, address, port=PORT):
        self.place.connects(address, port, timeout=5)

    def is_prohibited(self, address, port=PORT):
        with self.assertRaises(OSError) as refused:
            self.connects(address, port)
        self.assertIn(refused.exception.errno, PROHIBITED)


class Names(World):
    def test_an_allowed_name_may_be_connected_to_at_once_and_not_before(self):
        self.daemon()
        for family, kind in KINDS.items():
            self.listening(FAR[family])
            for tcp in (False, True):
                with self.subTest(family=family, tcp=tcp):
                    if not tcp:
                        self.is_prohibited(FAR[family])
                    answer = ask(self.place, ANYWHERE[family], "good.test", kind, tcp=tcp)
                    self.assertEqual((answer.code, answer.addresses(), answer.question), (NO_ERROR, [FAR[family]], "good.test"))
                    self.connects(FAR[family])

    def test_a_denied_name_does_not_exist_and_is_not_asked_outside(self):
        self.daemon()
        with Witness(host_place(self.host), "eth0") as witness:
            for name in ("nobody.test", "evil.test", "wild.test", "agood.test", "good.test.evil.test", "secret.of.guest", "GOOD.TEST.x"):
                for server, tcp in ((ANYWHERE[4], False), (ANYWHERE[6], True), (RESOLVER4, False), (RESOLVER6, False)):
                    for kind in (A, AAAA, TXT, HTTPS):
                        answer = ask(self.place, server, name, kind, tcp=tcp)
                        self.assertEqual((answer.code, answer.kinds(0), answer.kinds(1), answer.error), (NAME_ERROR, [], [6], BLOCKED))
            ask(self.place, ANYWHERE[4], "good.test")
            seen = witness.has_seen(encoded("good.test"))
            self.assertTrue(seen[0], "the witness is blind")
        self.assertEqual(self.server.asked, [("good.test", A)])

    def test_no_octet_of_a_denied_name_leaves(self):
        self.daemon()
        with Witness(host_place(self.host), "eth0") as witness:
            for tcp in (False, True):
                ask(self.place, ANYWHERE[4], "nobody.test", tcp=tcp)
            self.assertEqual(witness.has_seen(b"nobody")[0], False)

    def test_an_alias_of_a_denied_name_is_denied(self):
        self.daemon()
        self.listening(FAR4)
        self.assertEqual(ask(self.place, ANYWHERE[4], "alias.test").code, NAME_ERROR)
        self.is_prohibited(FAR4)
        answer = ask(self.place, ANYWHERE[4], "loop.test")      # nobody denies that one
        self.assertEqual((answer.kinds(0), answer.addresses()), ([CNAME, A], [FAR4]))
        self.connects(FAR4)

    def test_addresses_that_are_not_public_are_taken_out(self):
        self.daemon()
        for family, kind in KINDS.items():
            self.assertEqual(ask(self.place, ANYWHERE[4], "mixed.test", kind).addresses(), [FAR[family]])
            alone = ask(self.place, ANYWHERE[4], "inside.test", kind)
            self.assertEqual((alone.code, alone.addresses(), alone.error), (NO_ERROR, [], BLOCKED))
            self.assertEqual(ask(self.place, ANYWHERE[4], "intranet.test", kind).addresses(), ["192.168.7.7" if kind == A else "fd00::7"])
        self.is_prohibited("10.1.2.3")

    def test_the_question_is_our_own(self):
        self.daemon()
        with Witness(host_place(self.host), "eth0") as witness:
            answer = ask(self.place, ANYWHERE[4], "dEEp.Wild.tEST", number=0x4242, extra=struct.pack("!HH8s", 65001, 8, b"smuggled"))
            self.assertEqual((answer.number, answer.question, answer.addresses()), (0x4242, "dEEp.Wild.tEST", [FAR4]))
            self.assertFalse(witness.has_seen(b"smuggled")[0])
        self.assertEqual(self.server.asked, [("deep.wild.test", A)])

    def test_types_beside_addresses_need_leave(self):
        daemon = self.daemon()
        for kind in (TXT, HTTPS):
            answer = ask(self.place, ANYWHERE[4], "https.test", kind)
            self.assertEqual((answer.code, answer.kinds(0)), (NO_ERROR, []))
        self.assertEqual(self.server.asked, [])
        daemon.stop()
        self.daemon(POLICY + 'dns_types = ["TXT"]\n')
        self.assertEqual(ask(self.place, ANYWHERE[4], "https.test", TXT).kinds(0), [TXT])

    def test_hostile_names(self):
        self.daemon()
        long = b"\x3f" + b"a" * 63
        for raw, code in ((b"\x09good\0test\4test\0", NAME_ERROR), (b"\x09good.test\0", NAME_ERROR), (b"\4good\5test\0\0", NAME_ERROR),
                          (3 * long + b"\x3d" + b"a" * 61 + b"\0", NAME_ERROR), (3 * long + b"\x3e" + b"a" * 62 + b"\0", FORMAT_ERROR),
                          (b"\xc0\x0c", FORMAT_ERROR), (b"\x40good\0", FORMAT_ERROR), (b"\0", NAME_ERROR)):
            for tcp in (False, True):
                with self.subTest(raw=raw, tcp=tcp):
                    self.assertEqual(ask(self.place, ANYWHERE[4], "", raw=raw, tcp=tcp).code, code)
        self.assertEqual(self.server.asked, [])
        self.assertEqual(ask(self.place, ANYWHERE[4], "good.test").addresses(), [FAR4])

    def test_an_answer_to_another_question_is_not_heard(self):
        def others(answer, over_tcp):
            renamed = answer.replace(encoded("good.test"), encoded("evil.test"))
            another_id = bytes([answer[0] ^ 1]) + answer[1:]
            return [renamed, another_id, b"", answer[:11], answer[:2] + b"\0" + answer[3:], *([] if over_tcp else [answer])]
        self.daemon()
        self.server.mangled = others
        answer = ask(self.place, ANYWHERE[4], "good.test")
        self.assertEqual(answer.addresses(), [FAR4])
        self.server.mangled = lambda answer, over_tcp: others(answer, over_tcp)[:5]
        self.assertEqual(ask(self.place, ANYWHERE[4], "good.test").code, SERVER_FAILURE)

    def test_records_that_were_not_asked_for_pin_nothing(self):
        self.daemon()
        self.listening(FAR4)
        evil = record("other.test", FAR4)
        self.server.mangled = lambda answer, _: [answer[:6] + struct.pack("!H", 1) + answer[8:].replace(record("good.test", FAR4), evil)]
        self.assertEqual(ask(self.place, ANYWHERE[4], "good.test").addresses(), [])
        self.is_prohibited(FAR4)

    def test_a_late_answer_is_an_answer_while_somebody_waits(self):
        self.daemon()
        self.server.delay = 1.5
        self.assertEqual(ask(self.place, ANYWHERE[4], "late.test").addresses(), [FAR4])
        self.server.delay = 6
        self.listening(FAR4)
        self.assertEqual(ask(self.place, ANYWHERE[6], "good.test").code, SERVER_FAILURE)

    def test_large_answers_go_over_tcp(self):
        self.daemon()
        whole = ask(self.place, ANYWHERE[4], "many.test", tcp=True)
        self.assertEqual(len(whole.addresses()), 200)
        over_udp = ask(self.place, ANYWHERE[4], "many.test")
        self.assertEqual((over_udp.truncated, over_udp.addresses()), (True, []))

    def test_a_resolver_that_fails(self):
        self.daemon()
        self.assertEqual(ask(self.place, ANYWHERE[4], "fails.test").code, SERVER_FAILURE)

    def host_has(self, *resolvers):
        with open(f"{self.host.dir}/resolv.conf", "w") as f:      # in place: the file is bind-mounted
            f.writelines(f"nameserver {r}\n" for r in resolvers)

    def test_the_first_resolver_is_silent_or_is_none(self):
        self.addCleanup(self.host_has, RESOLVER4, RESOLVER6)
        for first in ("198.18.0.1", REMOTE4, UNREACHABLE4):
            with self.subTest(first=first):
                self.host_has(first, RESOLVER4)
                daemon = self.daemon()
                begin = time.monotonic()
                self.assertEqual(ask(self.place, ANYWHERE[4], "good.test").addresses(), [FAR4])
                self.assertLess(time.monotonic() - begin, 4)        # the next one is asked after 0.8 s
                daemon.stop()

    def test_no_resolver_answers(self):
        self.addCleanup(self.host_has, RESOLVER4, RESOLVER6)
        self.host_has("198.18.0.1")
        self.daemon()
        self.assertEqual(ask(self.place, ANYWHERE[6], "good.test").code, SERVER_FAILURE)

    def test_dns_over_tls_is_refused(self):
        self.daemon()
        for address in (ANYWHERE[4], RESOLVER4, FAR6):
            self.is_prohibited(address, 853)

    def test_two_servers_from_one_socket(self):
        """musl asks all its servers from one socket, and hears an answer only if it comes from where it asked."""
        self.daemon()
        with self.place.bound("0.0.0.0", 0, socket.SOCK_DGRAM) as s:
            servers = {(ANYWHERE[4], 53), ("198.51.100.77", 53), (RESOLVER4, 53)}
            for number, server in enumerate(servers):
                s.sendto(query("good.test", number=number), server)
            s.settimeout(5)
            self.assertEqual({s.recvfrom(4096)[1] for _ in servers}, servers)

    def test_in_the_mode_audit_all_is_asked(self):
        daemon = self.daemon(POLICY + 'mode = "audit"\n')
        self.assertEqual(ask(self.place, ANYWHERE[4], "other.test").addresses(), [FAR4])
        self.assertIn("other.test", daemon.log())


class NamesWithOneWorker(Names, unittest.TestCase):
    workers = 1


class NamesWithTwoWorkers(Names, unittest.TestCase):
    workers = 2


@netns_test.needs("dig")
class Programs(World, unittest.TestCase):
    workers = 4

    def resolving(self, program, *words, search=""):
        """A program of the guest, with this resolv.conf."""
        path = f"{self.host.dir}/guest.conf"
        with open(path, "w") as f:
            f.write(f"nameserver {ANYWHERE[4]}\nnameserver {ANYWHERE[6]}\n{search}")
        os.chmod(path, 0o644)
        return self.guest.run("unshare", "-m", "sh", "-c", 'mount --bind "$1" /etc/resolv.conf && shift && exec "$@"', "sh", path, program, *words, check=False)

    def test_getaddrinfo(self):
        self.daemon()
        self.assertEqual(self.resolving(PYTHON, "-c", PEOPLE, "good.test").stdout.split(), [FAR4, FAR6])
        self.assertIn("gaierror", self.resolving(PYTHON, "-c", PEOPLE, "evil.test").stderr)

    def test_search_lists(self):
        """A name that is denied does not end the search of glibc's and of musl's resolvers."""
        self.daemon()
        search = "search nowhere.example wild.test\noptions ndots:2\n"
        self.assertEqual(self.resolving(PYTHON, "-c", PEOPLE, "deep", search=search).stdout.split(), [FAR4, FAR6])
        source, program = f"{self.host.dir}/people.c", f"{self.host.dir}/people"
        with open(source, "w") as f:
            f.write("#include <netdb.h>\n#include <stdio.h>\n#include <arpa/inet.h>\nint main(int c, char** v) { struct addrinfo* a = 0; char t[64];\n"
                    "if (c < 2 || getaddrinfo(v[1], 0, 0, &a)) return 1; for (; a; a = a->ai_next) { void* at = a->ai_family == AF_INET ? (void*)"
                    "&((struct sockaddr_in*)a->ai_addr)->sin_addr : (void*)&((struct sockaddr_in6*)a->ai_addr)->sin6_addr; puts(inet_ntop(a->ai_family, at, t, 64)); } return 0; }\n")
        try:
            run("musl-gcc", "-static", "-o", program, source)
        except OSError:
            self.skipTest("musl-gcc is missing")
        self.assertEqual(set(self.resolving(program, "deep", search=search).stdout.split()), {FAR4, FAR6})

    def test_dig(self):
        self.daemon()
        for options in ((), ("+tcp",), ("+noedns",), ("+bufsize=4096", "+dnssec")):
            with self.subTest(options=options):
                self.assertEqual(self.guest.run("dig", f"@{ANYWHERE[4]}", "+short", *options, "good.test").stdout.split(), [FAR4])
        said = self.guest.run("dig", f"@{ANYWHERE[6]}", "evil.test").stdout
        self.assertIn("status: NXDOMAIN", said)
        self.assertIn("EDE: 15 (Blocked)", said)
        self.assertEqual(len(self.guest.run("dig", f"@{ANYWHERE[4]}", "+short", "many.test").stdout.split()), 200)
        self.assertIn("BADVERS", self.guest.run("dig", f"@{ANYWHERE[4]}", "+edns=1", "+noednsneg", "good.test").stdout)
        self.assertIn("REFUSED", self.guest.run("dig", f"@{ANYWHERE[4]}", "-c", "CH", "-t", "TXT", "version.bind").stdout)

    def test_ten_thousand_times_resolved_and_connected_at_once(self):
        """Never is the address refused that the answer has just told of: each worker sees the pin before the guest sees the answer, and there are sockets."""
        addresses = [f"198.51.100.{i}" for i in range(10, 250)]
        for a in addresses:
            run("ip", "-n", self.host.far, "addr", "add", f"{a}/24", "dev", "eth0")
        self.addCleanup(lambda: [run("ip", "-n", self.host.far, "addr", "del", f"{a}/24", "dev", "eth0") for a in addresses])
        daemon = self.daemon(prefix=("prlimit", "--nofile=1500:1500"))
        rotation = iter(range(1 << 30))
        own = self.records
        type(self).records = staticmethod(lambda name, kind: [record(name, addresses[next(rotation) % len(addresses)], ttl=1)] if kind == A and name.endswith("wild.test") else [])
        self.addCleanup(lambda: setattr(type(self), "records", staticmethod(own)))
        listener = self.listening("0.0.0.0")
        done = threading.Event()

        def serve():
            listener.settimeout(0.1)
            while not done.is_set():
                with contextlib.suppress(OSError):
                    listener.accept()[0].close()
        threading.Thread(target=serve).start()
        self.addCleanup(done.set)
        failures, tried = [], []

        def work(who):
            for i in range(1250):
                try:
                    address, = ask(self.place, ANYWHERE[4], f"n{who}x{i}.wild.test").addresses()
                    tried.append(address)
                    self.connects(address)
                except (OSError, ValueError) as failure:
                    failures.append((who, i, failure))
        threads = [threading.Thread(target=work, args=(who,)) for who in range(8)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        self.assertEqual((failures[:5], len(tried)), ([], 10000))
        shares = [share["tcp_flows_opened"] for share in daemon.counters()[1].values()]
        self.assertGreater(sorted(shares)[-2], 500, shares)        # by several workers, however the kernel spreads them

    def test_five_hundred_rotating_addresses(self):
        self.daemon()
        rotation = iter(range(1 << 30))
        own = self.records
        type(self).records = staticmethod(lambda name, kind: [record(name, "198.18.%d.%d" % divmod(next(rotation) % 500 + 256, 256), ttl=0)] if name == "rotating.test" and kind == A else None)
        self.addCleanup(lambda: setattr(type(self), "records", staticmethod(own)))
        seen = [ask(self.place, ANYWHERE[4], "rotating.test") for _ in range(1000)]
        self.assertEqual({len(a.addresses()) for a in seen}, {1})
        self.assertEqual({ttl for a in seen for _, _, kind, ttl, _ in a.records if kind == A}, {0})
        self.assertEqual(len({a.addresses()[0] for a in seen}), 500)

    def test_names_are_listed(self):
        daemon = self.daemon(POLICY, "--control", "auto")
        ask(self.place, ANYWHERE[4], "mixed.test")
        ask(self.place, ANYWHERE[4], "DEEP.wild.test", AAAA)
        ask(self.place, ANYWHERE[4], "evil.test")
        listed = [line.split() for line in self.host.run(self.host.binary("tapioca"), "dns", daemon.pid, uid=USER).stdout.splitlines()]
        self.assertEqual([row[:3] for row in listed[1:]], [[str(daemon.pid), "mixed.test", FAR4], [str(daemon.pid), "deep.wild.test", FAR6]])
        for row in listed[1:]:
            self.assertTrue(300 < int(row[3]) <= 360, row)
        self.assertIn('"names":[', self.host.run(self.host.binary("tapioca"), "dns", "--json", daemon.pid, uid=USER).stdout)

    def test_the_audit_log_has_the_name(self):
        path = f"{self.host.dir}/audit.log"
        daemon = self.daemon(POLICY, "--audit-log", path)
        self.addCleanup(os.unlink, path)
        self.listening(FAR4)
        ask(self.place, ANYWHERE[4], "GOOD.test")
        self.connects(FAR4)
        daemon.stop()
        with open(path) as f:
            opened = [line for line in map(json.loads, f) if (line["event"], line.get("protocol")) == ("opened", "tcp")]
        self.assertEqual([(line["name"], line["name_from"], line["rule"]["text"]) for line in opened], [("good.test", "dns", "good.test")])

    def test_without_names_there_is_no_forwarder(self):
        daemon = self.daemon('profile = "internet-only"\n')
        self.assertNotIn(f"pid={daemon.pid},", self.host.run("ss", "-Hlntup").stdout)
        daemon.stop()
        self.assertIn(f"pid={self.daemon().pid},", self.host.run("ss", "-Hlntup").stdout)       # or the question was none


if __name__ == "__main__":
    netns_test.main()
