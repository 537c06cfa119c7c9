#!/usr/bin/env python3
"""tls = "sni" and what no client does by itself: a ClientHello in pieces, one that is changed, and what is none."""
import contextlib
import fcntl
import hashlib
import os
import socket
import ssl
import struct
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import netns_test
from hosts import FAR4, FAR6, wait_until
from inside import digest_of, exactly, family, pair, reset
from tls_world import HERE, LENGTH, RAW, World

SIOCOUTQ = 0x5411       # octets that the other end has not acknowledged


class Octets(World):
    def handshake(self, s, name, first=None):
        """A client of the test's own, over a connection of the guest's: asks for LENGTH octets, which come. first(octets): how its ClientHello is sent."""
        context = ssl.create_default_context(cafile=self.certificate)
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = context.wrap_bio(incoming, outgoing, server_hostname=name)
        with contextlib.suppress(ssl.SSLWantReadError):
            tls.do_handshake()
        (first or s.sendall)(outgoing.read())

        def progress(step, *args):
            while True:
                try:
                    return step(*args)
                except ssl.SSLWantReadError:
                    s.sendall(outgoing.read())
                    data = s.recv(1 << 16)
                    incoming.write(data) if data else incoming.write_eof()
                finally:
                    if outgoing.pending:
                        s.sendall(outgoing.read())
        progress(tls.do_handshake)
        progress(tls.write, f"GET /{LENGTH}\r\n".encode())
        digest, length = hashlib.sha256(), 0
        with contextlib.suppress(ssl.SSLZeroReturnError):
            while data := progress(tls.read, 1 << 16):
                digest.update(data)
                length += len(data)
        self.assertEqual((length, digest.hexdigest()), (LENGTH, digest_of(LENGTH)))

    def hello(self, name):
        outgoing = ssl.MemoryBIO()
        with contextlib.suppress(ssl.SSLWantReadError):
            ssl.create_default_context().wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname=name).do_handshake()
        return outgoing.read()

    @staticmethod
    def in_records(hello, size):
        """The same message in records of so many octets."""
        message = hello[5:]
        return b"".join(hello[:3] + struct.pack("!H", len(message[i:i + size])) + message[i:i + size] for i in range(0, len(message), size))

    @staticmethod
    def octet_by_octet(s):
        def send(octets):
            s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for i in range(len(octets)):
                s.send(octets[i:i + 1])
        return send

    def test_a_hello_in_pieces(self):
        self.daemon()
        self.asked("good.test")
        for address in HERE:
            for how in ("octet by octet", "small segments", "small records", "small records, octet by octet"):
                with self.subTest(address=address, how=how), self.passes("good.test"), self.place.make(family(address)) as s:
                    s.settimeout(30)
                    if how == "small segments":
                        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 88)
                    s.connect((address, 443))
                    send = self.octet_by_octet(s) if "octet by octet" in how else s.sendall
                    self.handshake(s, "good.test", (lambda octets, send=send: send(self.in_records(octets, 20))) if "records" in how else send)
                    if how == "small segments":
                        self.assertLessEqual(s.getsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG), 88)

    def cut(self, address, *pieces):
        """Says that, octet by octet or as it is, and is cut off."""
        for bit_by_bit in (False, True):
            with self.subTest(address=address, begin=pieces[0][:20], bit_by_bit=bit_by_bit), self.nothing_arrives(), self.place.connected(address, 443, timeout=20) as s:
                with self.assertRaises(ConnectionError):
                    for piece in pieces:
                        (self.octet_by_octet(s) if bit_by_bit else s.sendall)(piece)
                    s.recv(1)
                    self.fail("an answer or an end")

    def test_another_name_in_pieces_is_cut(self):
        self.daemon()
        self.asked("good.test")
        for address in HERE:
            self.cut(address, self.hello("other.test"))
            self.cut(address, self.in_records(self.hello("other.test"), 20))

    def test_what_is_no_hello_is_cut(self):
        self.daemon()
        self.asked("good.test")
        good = self.hello("good.test")
        for begin in (b"GET / HTTP/1.1\r\nHost: good.test\r\n\r\n", b"SSH-2.0-OpenSSH_9.2\r\n", b"CONNECT other.test:443 HTTP/1.1\r\n\r\n", b"\x80\x2e\1\3\1" + bytes(100),
                      b"\x16\3\1\0\1\2" + bytes(50), b"\x15\3\1\0\2\1\0" + good, b"\0" + good, b"\x17" + good[1:], good[:5] + b"\2" + good[6:]):
            self.cut(FAR4, begin)
        self.cut(FAR6, b"GET / HTTP/1.1\r\n\r\n")

    def test_a_hello_without_end_is_cut(self):
        self.daemon()
        self.asked("good.test")
        with self.nothing_arrives(), self.place.connected(FAR4, 443) as s, self.assertRaises(ConnectionError):
            s.sendall(b"\x16\3\1\x40\0\1\0\x80\0\3\3" + bytes(20_000))
            s.recv(1)

    def test_a_hello_with_an_encrypted_one_is_cut(self):
        """The name that counts is inside (RFC 9849)."""
        self.daemon()
        self.asked("good.test")
        hello, extension = self.hello("good.test"), struct.pack("!HH", 0xfe0d, 4) + b"\0\1\2\3"
        at = 5 + 4 + 2 + 32
        at += 1 + hello[at]                                                 # session
        at += 2 + struct.unpack_from("!H", hello, at)[0]                    # suites
        at += 1 + hello[at]                                                 # compression
        length = struct.unpack_from("!H", hello, at)[0] + len(extension)
        body = hello[9:at] + struct.pack("!H", length) + hello[at + 2:] + extension
        self.cut(FAR4, b"\x16\3\1" + struct.pack("!H", len(body) + 4) + b"\1" + struct.pack("!I", len(body))[1:] + body)

    def test_nothing_leaves_before_the_last_octet(self):
        """Of what is allowed in the end as well; and what is never completed never does, however it ends."""
        self.daemon()
        self.asked("raw.test")
        hello = self.hello("raw.test")
        for address in RAW:
            for ending in ("last octet", "end", "reset"):
                with self.subTest(address=address, ending=ending), contextlib.ExitStack() as stack:
                    client, server = map(stack.enter_context, pair(self.place, self.far, address, 443, server_address=address))
                    client.sendall(hello[:-1])
                    wait_until(lambda c=client: not struct.unpack("i", fcntl.ioctl(c, SIOCOUTQ, bytes(4)))[0], "acknowledgment of all of it")
                    server.settimeout(0.3)
                    with self.assertRaises(TimeoutError):
                        server.recv(1)
                    server.settimeout(20)
                    if ending == "last octet":
                        client.sendall(hello[-1:])
                        self.assertEqual(exactly(server, len(hello)), hello)
                        continue
                    client.shutdown(socket.SHUT_WR) if ending == "end" else reset(client)
                    for s in (client, server)[ending == "reset":]:
                        with self.assertRaises(ConnectionResetError):
                            s.recv(1)


class OctetsWithOneWorker(Octets, unittest.TestCase):
    pass


class OctetsWithTwoWorkers(Octets, unittest.TestCase):
    workers = 2


if __name__ == "__main__":
    netns_test.main()
