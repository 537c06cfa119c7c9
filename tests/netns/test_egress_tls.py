#!/usr/bin/env python3
"""tls = "sni" with real clients: who names another server than the policy leads to is cut off, nothing of it has left, and that is told."""
import contextlib
import errno
import hashlib
import json
import os
import socket
import sys
import threading
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import netns_test
from hosts import FAR4, FAR6, USER, wait_until
from inside import host_place
from name_server import Witness
from tls_world import HERE, LENGTH, OPEN4, OTHER4, POLICY, THERE, World, is_ipv6

PROHIBITED = (errno.EHOSTUNREACH, errno.EACCES)


class Clients(World):
    def test_openssl(self):
        """By the name that leads there, and by no other, whatever else the policy allows."""
        self.daemon()
        self.asked("good.test", "other.test", "deep.wild.test", "ssh.test")
        for address in HERE:
            for name in ("good.test", "GOOD.Test", "deep.wild.test"):
                self.s_client_passes(address, name)
            self.s_client_passes(address, "good.test", "-tls1_2")
            for words in (["-servername", "other.test"], ["-servername", "ssh.test"], ["-servername", "never-asked.wild.test"], ["-servername", "evil.wild.test"],
                          ["-servername", "good.test.evil.example"], ["-noservername"], ["-noservername", "-tls1_2"]):
                self.s_client_is_cut(address, *words)
        for address in THERE:
            self.s_client_passes(address, "other.test")
            self.s_client_is_cut(address, "-servername", "good.test")

    def test_a_name_below_a_wildcard_passes_once_it_was_asked_for(self):
        self.daemon()
        self.asked("good.test")
        self.s_client_is_cut(FAR4, "-servername", "deep.wild.test")
        self.asked("deep.wild.test")
        for address in HERE:
            self.s_client_passes(address, "deep.wild.test")

    @netns_test.needs("curl")
    def test_curl(self):
        self.daemon()
        sent = f"{self.host.dir}/sent"
        with open(sent, "wb") as f:
            f.write(os.urandom(LENGTH))
        os.chmod(sent, 0o644)
        with open(sent, "rb") as f:
            digest = hashlib.sha256(f.read()).hexdigest()
        for family, address in zip(("-4", "-6"), HERE):
            with self.subTest(family=family):
                with self.passes("good.test"):
                    self.curl_passes(family, f"https://good.test/{LENGTH}")
                with self.passes("good.test"):
                    self.curl_passes(family, "-T", sent, "https://good.test/file", says=digest)
            literal = f"[{address}]" if is_ipv6(address) else address
            self.curl_is_cut("--resolve", f"other.test:443:{literal}", f"https://other.test/{LENGTH}")
            self.curl_is_cut("--connect-to", f"evil.wild.test:443:{literal}:443", f"https://evil.wild.test/{LENGTH}")
            self.curl_is_cut(family, "--connect-to", "evil.wild.test:443:good.test:443", f"https://evil.wild.test/{LENGTH}")
            self.curl_is_cut(family, "--connect-to", "good.test:443:other.test:443", f"https://good.test/{LENGTH}")
            self.curl_is_cut(f"https://{literal}/{LENGTH}")         # there is no name for an address

    def test_only_what_a_rule_for_a_name_leads_to_is_looked_at(self):
        """Another port is not, nor an address that a rule allows itself."""
        self.daemon()
        self.asked("good.test")
        self.s_client_passes(FAR4, "elsewhere.example", "-verify_quiet", port=8443)
        self.s_client_passes(OPEN4, "elsewhere.example")
        self.s_client_passes(OPEN4, None)

    def test_quic_is_refused(self):
        """It would hide the name."""
        self.daemon()
        self.asked("good.test")
        for address in (*HERE, OPEN4):
            with self.subTest(address=address), self.place.connected(address, 443, socket.SOCK_DGRAM) as s:
                s.send(b"\xc0\0\0\0\1")
                with self.assertRaises(OSError) as refused:
                    s.recv(1)
                self.assertIn(refused.exception.errno, PROHIBITED)


class Told(World):
    """What the counters, the events and the audit log say of it."""

    def refusals(self):
        """Five connections, of which one passes; the words for the others."""
        self.asked("good.test", "other.test")
        self.s_client_passes(FAR4, "good.test")
        self.s_client_is_cut(FAR4, "-servername", "other.test")
        self.s_client_is_cut(FAR6, "-servername", "never-asked.wild.test")
        self.s_client_is_cut(FAR4, "-noservername")
        with self.nothing_arrives(), self.place.connected(FAR4, 443) as s, self.assertRaises(ConnectionError):
            s.sendall(b"GET / HTTP/1.1\r\n\r\n")
            s.recv(1)
        return ("by the server name", "by the server name", "has no server name", "does not begin with the ClientHello")

    def test_counters_and_events(self):
        daemon = self.daemon()
        watch = self.host.popen(self.host.binary("tapioca"), "watch", "--json", uid=USER, stdout=-1)
        events = []
        threading.Thread(target=lambda: events.extend(map(json.loads, watch.stdout)), daemon=True).start()

        def heard():
            with contextlib.suppress(OSError):
                self.place.connects(OTHER4, 80)
            time.sleep(0.3)
            return events
        wait_until(heard, "beginning of the events")
        time.sleep(1.1)         # five a second are told
        words = self.refusals()
        told = lambda: [e for e in events if e["event"] == "egress_denied" and e["remote"]["port"] == 443]
        wait_until(lambda: len(told()) >= len(words), "events of the refusals")
        watch.terminate()
        for event, part in zip(told(), words, strict=True):
            self.assertIn(part, event["words"])
        self.assertEqual([e["remote"]["address"] for e in told()], [FAR4, FAR6, FAR4, FAR4])
        counters = daemon.counters()[0]
        self.assertEqual((counters["tls_names_denied"], counters["flow_end_egress_denied"]), (4, 4))
        self.assertGreaterEqual(counters["drop_egress_denied"], 5)      # and what was refused above
        self.assertIn("egress_denied", self.host.run(self.host.binary("tapioca"), "drops", daemon.pid, uid=USER).stdout)

    def audited(self, policy, visits):
        """Lines of the audit log about connections to port 443."""
        path = f"{self.host.dir}/audit.log"
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
        daemon = self.daemon(policy, "--audit-log", path)
        visits()
        daemon.stop()
        with open(path) as f:
            return [line for line in map(json.loads, f) if line.get("protocol") == "tcp" and line["remote"]["port"] == 443]

    def test_the_audit_log(self):
        lines = self.audited(POLICY, self.refusals)
        ends = [line for line in lines if line["event"] == "ended"]
        self.assertEqual([line["reason"] == "egress_denied" for line in ends], [False, True, True, True, True])
        for line in ends[1:]:
            self.assertEqual((line["octets_from_guest"], line["octets_to_guest"], line["ground"]), (0, 0, "name"))
        self.assertGreater(ends[0]["octets_to_guest"], LENGTH)
        wrong = [line for line in lines if line["event"] == "misnamed"]
        again = sum(line["count"] for line in lines if line["event"] == "suppressed" and line["of"] == "misnamed")
        self.assertEqual(len(wrong) + again, 4)
        for line in wrong:
            self.assertEqual((line["verdict"], line["passed"], line["ground"]), ("deny", False, "server name"))
        self.assertEqual({line["remote"]["address"] for line in wrong}, set(HERE))

    def test_in_the_mode_audit_it_passes_and_is_told(self):
        def visits():
            self.asked("good.test")
            self.s_client_passes(FAR4, "good.test")
            self.s_client_passes(FAR4, "elsewhere.example")
            self.s_client_passes(FAR6, None)
        lines = self.audited('mode = "audit"\n' + POLICY, visits)
        told = [(line["remote"]["address"], line["verdict"], line["passed"], line["ground"]) for line in lines if line["event"] == "misnamed"]
        self.assertEqual(told, [(FAR4, "deny", True, "server name"), (FAR6, "deny", True, "server name")])
        self.assertEqual({line["reason"] for line in lines if line["event"] == "ended"}, {"finished"})

    def test_no_octet_of_a_name_that_is_denied_is_on_the_wire(self):
        self.daemon()
        self.asked("good.test")
        with Witness(host_place(self.host), "eth0") as witness:
            self.s_client_is_cut(FAR4, "-servername", "secret.evil.example")
            self.s_client_is_cut(FAR6, "-servername", "secret.evil.example")
            self.assertEqual(witness.has_seen(b"secret")[0], False)
            self.s_client_passes(FAR4, "good.test")
            self.assertTrue(witness.has_seen(b"good.test")[0], "the witness is blind")


class ClientsWithOneWorker(Clients, unittest.TestCase):
    pass


class ClientsWithTwoWorkers(Clients, unittest.TestCase):
    workers = 2


class ToldByOneWorker(Told, unittest.TestCase):
    pass


class ToldByTwoWorkers(Told, unittest.TestCase):
    workers = 2


if __name__ == "__main__":
    netns_test.main()
