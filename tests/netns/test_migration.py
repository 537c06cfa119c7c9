#!/usr/bin/env python3
"""A guest migrates from one host to another that has the same addresses, with its TCP connections: from ours to ours, and where
TAPIOCA_PEERS is the directory of upstream's programs, from ours to upstream's and the other way round, with either passt-repair.
The front-end is our own, and moves the guest as QEMU does.
"""
import hashlib
import os
import struct
import sys
import threading
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import frames
import netns_test
from hosts import HOST4, REMOTE4, ROUTER4
from migration import change_back_end, load, save
from migration_case import FAMILIES, HAS_PEERS, OnMovingHosts
from services import PATTERN


def send_until_full(upload):
    """Sends until its peer, which reads nothing, takes no more."""
    sent = 0
    try:
        while sent < 3_000_000:
            upload.send(PATTERN[sent:sent + 16384], timeout=1)
            sent += 16384
    except TimeoutError:
        pass


def resets(namespace):
    """(sent, received) by the TCP of a namespace."""
    lines = [line.split() for line in open(f"/proc/{namespace}/net/snmp") if line.startswith("Tcp:")]
    values = dict(zip(*lines))
    return int(values["OutRsts"]), int(values["EstabResets"])


class Anywhere(OnMovingHosts):
    """What goes between ours and upstream's as well."""

    def test_connections_go_on(self):
        self.begin()
        open_ones = [self.connection(*ends, 7) for ends in FAMILIES]
        for connection in open_ones:
            self.assert_echo(connection, b"before")
        before = [resets(f"{self.hosts[n].holder.pid}") for n in range(2)]
        self.migrate()
        for connection in open_ones:
            self.assert_echo(connection, b"and after")
            self.assert_echo(connection, PATTERN[:100_000])
            self.assertFalse(connection.is_reset)
        self.assertEqual([resets(f"{self.hosts[n].holder.pid}") for n in range(2)], before, "resets on the wire")

    def download(self, ends):
        listener = self.remote.bound("", 9001)
        self.addCleanup(listener.close)
        self.begin()
        download, length = self.connection(*ends, 9001), 1_000_000
        peer, _ = listener.accept()
        self.addCleanup(peer.close)
        peer.settimeout(30)
        sender = threading.Thread(target=peer.sendall, args=(PATTERN[:length],), daemon=True)
        sender.start()
        first = download.receive(300_000)
        self.migrate()
        rest = download.receive(length - len(first))
        sender.join()
        self.assertEqual((len(first + rest), hashlib.sha256(first + rest).digest()), (length, hashlib.sha256(PATTERN[:length]).digest()))

    def test_a_download_goes_on(self):
        self.download(FAMILIES[0])

    def test_a_download_over_ipv6_goes_on(self):
        self.download(FAMILIES[1])

    def upload(self, ends):
        self.begin()
        length = 1_000_000
        upload = self.connection(*ends, 9)
        upload.send(PATTERN[:400_000])
        self.migrate()
        upload.send(PATTERN[400_000:length], finish=True)
        self.assertEqual(upload.receive().split(), [b"%d" % length, hashlib.sha256(PATTERN[:length]).hexdigest().encode()])

    def test_an_upload_goes_on(self):
        self.upload(FAMILIES[0])

    def test_an_upload_over_ipv6_goes_on(self):
        self.upload(FAMILIES[1])

    def test_what_waits_in_sockets_goes_with_the_guest(self):
        """A peer that reads nothing: what it has not taken comes out of the other host's socket, in order and once."""
        listener = self.remote.bound("", 9001)
        self.addCleanup(listener.close)
        self.begin()
        upload = self.connection(HOST4, REMOTE4, 9001)
        peer, _ = listener.accept()
        self.addCleanup(peer.close)
        send_until_full(upload)
        taken = upload.snd_una - 1001 & 0xffffffff
        self.migrate()
        got = bytearray()
        peer.settimeout(5)
        while len(got) < taken:
            got += peer.recv(1 << 16)
        self.assertEqual(bytes(got[:taken]), PATTERN[:taken])


class FromOurs(OnMovingHosts):
    def test_halves_that_are_closed_stay_so(self):
        listener = self.remote.bound("", 9001)
        self.addCleanup(listener.close)
        self.begin()

        def pair():
            connection = self.connection(HOST4, REMOTE4, 9001)
            peer, _ = listener.accept()
            peer.settimeout(5)
            self.addCleanup(peer.close)
            return connection, peer

        by_guest, peer_of_guest = pair()
        by_guest.send(b"abc", finish=True)
        by_peer, peer = pair()
        peer.shutdown(1)
        by_peer.receive(timeout=2)
        self.assertTrue(by_peer.ended)
        time.sleep(0.1)
        self.migrate()
        self.assertEqual(peer_of_guest.recv(10), b"abc")
        self.assertEqual(peer_of_guest.recv(10), b"")
        peer_of_guest.sendall(PATTERN[:50_000])
        peer_of_guest.close()
        self.assertEqual(by_guest.receive(), PATTERN[:50_000])
        self.assertTrue(by_guest.ended and not by_guest.is_reset)
        by_peer.send(PATTERN[:50_000], finish=True)
        got = b""
        while part := peer.recv(1 << 16):
            got += part
        self.assertEqual(got, PATTERN[:50_000])
        self.assertFalse(by_peer.is_reset)


class Ours(FromOurs, Anywhere):
    """All of it, and what only ours has to do."""

    def test_an_end_behind_data_arrives(self):
        """Octets and ends that are in neither's hands yet: of the guest in the socket, of the peer in front of the guest."""
        listener = self.remote.bound("", 9001)
        self.addCleanup(listener.close)
        self.begin()
        upload = self.connection(HOST4, REMOTE4, 9001)
        peer, _ = listener.accept()
        peer.settimeout(5)
        self.addCleanup(peer.close)
        send_until_full(upload)
        upload.snd_nxt = upload.snd_una
        taken = upload.snd_una - 1001 & 0xffffffff
        self.guest.send(frames.tcp(*upload.ends, upload.snd_una, upload.rcv_nxt, frames.ACK | frames.FIN, 65535, b""))
        download = self.connection(HOST4, REMOTE4, 9001)
        other, _ = listener.accept()
        self.addCleanup(other.close)
        other.sendall(PATTERN[:600])
        other.shutdown(1)
        time.sleep(0.3)
        self.migrate()
        self.assertEqual(download.receive(timeout=5), PATTERN[:600])
        self.assertTrue(download.ended and not download.is_reset)
        download.send(b"goodbye", finish=True)
        got = bytearray()
        while part := peer.recv(1 << 16):
            got += part
        self.assertEqual(bytes(got), PATTERN[:taken], "all that was acknowledged, then the end")

    def test_peers_connections_go_on(self):
        self.begin()
        client = self.remote.make(2)
        self.addCleanup(client.close)
        client.setblocking(False)
        client.connect_ex((HOST4, 8080))
        syn = None
        end = time.monotonic() + 5
        while syn is None and time.monotonic() < end:
            frame = self.guest.receive(1)
            found = frame and frames.packet(frame)
            if found and found.protocol == frames.TCP and found.upper[13] & frames.SYN:
                syn = found
        peer_port, = struct.unpack("!H", syn.upper[:2])
        their_seq, = struct.unpack("!I", syn.upper[4:8])
        remote = ROUTER4 if syn.source == ROUTER4 else REMOTE4

        def say(seq, ack, flags, payload=b""):
            self.guest.send(frames.tcp(HOST4, 8080, syn_source, peer_port, seq, ack, flags, 65535, payload))
        syn_source = syn.source if isinstance(syn.source, str) else remote
        say(7000, their_seq + 1, frames.SYN | frames.ACK)
        client.setblocking(True)
        client.settimeout(5)
        say(7001, their_seq + 1, frames.ACK | frames.PSH, b"hello")
        self.assertEqual(client.recv(10), b"hello")
        self.migrate()
        say(7006, their_seq + 1, frames.ACK | frames.PSH, b"again")
        self.assertEqual(client.recv(10), b"again")

    def test_more_than_a_message_can_carry(self):
        self.begin()
        many = [self.connection(HOST4, REMOTE4, 7) for _ in range(600)]
        began = time.monotonic()
        self.migrate()
        self.assertLess(time.monotonic() - began, 5)
        for connection in many[::37]:
            self.assert_echo(connection, b"hello")
        self.assertIn("came with the guest: 600", self.second.log())

    def test_a_peer_that_has_finished_is_heard_to_the_end(self):
        self.begin()
        length = 1_000_000
        download = self.connection(HOST4, REMOTE4, 19)
        download.send(b"%d\n" % length)
        first = download.receive(900_000)
        self.migrate()
        rest = download.receive()
        self.assertEqual((len(first + rest), hashlib.sha256(first + rest).digest()), (length, hashlib.sha256(PATTERN[:length]).digest()))

    def test_and_back(self):
        self.begin()
        connection = self.connection(HOST4, REMOTE4, 7)
        self.assert_echo(connection, b"one")
        self.migrate()
        self.assert_echo(connection, b"two")
        self.front.stop()
        state, answer = save(self.front.link)
        self.assertEqual(answer, 0)
        self.links.pop().close()
        back = change_back_end(self.front, self.first.path)
        self.assertEqual(load(self.front.link, state), 0, self.first.log()[-600:])
        self.moving.wire(0)
        self.go_on()
        back.close()
        self.assert_echo(connection, b"three")


def upstream_cases():
    """Upstream's target gives up a connection whose octets are more than its socket takes; and between two of upstream's little is sure."""
    for name, case, attributes in (
            ("OursToUpstream", Anywhere, {"target": "upstream", "test_what_waits_in_sockets_goes_with_the_guest": None}),
            ("UpstreamToOurs", Anywhere, {"source": "upstream"}), ("OursWithUpstreamsHelper", Ours, {"helpers": "upstream"}),
            ("UpstreamWithOurHelper", OnMovingHosts, {"source": "upstream", "target": "upstream", "upload": Anywhere.upload,
                                                      "test_an_upload_goes_on": Anywhere.test_an_upload_goes_on})):
        globals()[name] = unittest.skipUnless(HAS_PEERS, "needs upstream's programs in the directory TAPIOCA_PEERS")(type(name, (case,), attributes))


upstream_cases()

if __name__ == "__main__":
    netns_test.main()
