"""Frames that a hostile guest or peer sends, thousands of each kind, made from octets alone."""
import os
import random
import socket
import struct

OURS = bytes.fromhex("9a559a559a55")
BROADCAST = b"\xff" * 6
SYN, RST, PSH, ACK = 2, 4, 8, 16
COUNT = 4096        # of most kinds; they go round and round


def packed(address):
    return socket.inet_pton(socket.AF_INET6 if ":" in address else socket.AF_INET, address)


def checksum(data):
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def ipv4(source, destination, protocol, payload, *, options=b"", identification=0, fragment=0, ttl=64):
    head = struct.pack("!BBHHHBBH4s4s", 0x40 | (5 + len(options) // 4), 0, 20 + len(options) + len(payload), identification, fragment, ttl,
                       protocol, 0, packed(source), packed(destination)) + options
    return head[:10] + struct.pack("!H", checksum(head)) + head[12:] + payload


def ipv6(source, destination, next_header, payload, hop_limit=64):
    return struct.pack("!IHBB16s16s", 6 << 28, len(payload), next_header, hop_limit, packed(source), packed(destination)) + payload


def tcp(sport, dport, seq, ack, flags, window=65535, options=b"", payload=b""):
    return struct.pack("!HHIIBBHHH", sport, dport, seq & 0xffffffff, ack & 0xffffffff, (5 + len(options) // 4) << 4, flags, window, 0, 0) + options + payload


def udp(sport, dport, payload):
    return struct.pack("!HHHH", sport, dport, 8 + len(payload), 0) + payload


def echo(kind, identifier, sequence, payload=b"flood"):
    body = struct.pack("!BBHHH", kind, 0, 0, identifier, sequence) + payload
    return body[:2] + struct.pack("!H", checksum(body)) + body[4:]


def icmpv6(source, destination, kind, body, hop_limit=255):
    message = struct.pack("!BBH", kind, 0, 0) + body
    pseudo = packed(source) + packed(destination) + struct.pack("!II", len(message), 58)
    message = message[:2] + struct.pack("!H", checksum(pseudo + message)) + message[4:]
    return ipv6(source, destination, 58, message, hop_limit)


class Frames:
    """What one sender on a link can send: its MAC and that of whom it talks to, its addresses, and a victim's."""

    def __init__(self, mac, to, own4, own6, victim4, victim6, link_local="fe80::bad"):
        self.mac, self.to = mac, to
        self.own4, self.own6, self.victim4, self.victim6, self.link_local = own4, own6, victim4, victim6, link_local
        self.chance = random.Random(6)

    def v4(self, packet, to=None):
        return (to or self.to) + self.mac + b"\x08\0" + packet

    def v6(self, packet, to=None):
        return (to or self.to) + self.mac + b"\x86\xdd" + packet

    def both(self, protocol, message, destination4=None, destination6=None):
        yield self.v4(ipv4(self.own4, destination4 or self.victim4, protocol, message))
        yield self.v6(ipv6(self.own6, destination6 or self.victim6, protocol, message))

    def syns(self, ports=range(1, 65536), destination4=None):
        """To every port, in both families by turns."""
        for port in ports:
            syn = tcp(self.chance.randrange(1024, 65536), port, self.chance.getrandbits(32), 0, SYN, options=b"\2\4\5\xb4\1\3\3\7")
            if destination4 or port % 2:
                yield self.v4(ipv4(self.own4, destination4 or self.victim4, 6, syn))
            else:
                yield self.v6(ipv6(self.own6, self.victim6, 6, syn))

    def strays(self):
        for n in range(COUNT // 2):
            yield from self.both(6, tcp(10000 + n, 9, n, n, ACK | PSH, payload=b"of no flow"))

    def misfits(self, sport, dport, remote):
        """Of a connection that stands: resets, SYNs and ACKs whose numbers are guesses."""
        for _ in range(COUNT):
            seq, ack = self.chance.getrandbits(32), self.chance.getrandbits(32)
            flags = self.chance.choice((RST, RST | ACK, SYN, SYN | ACK, ACK, ACK))
            yield self.v4(ipv4(self.own4, remote, 6, tcp(sport, dport, seq, ack, flags)))

    def datagrams(self):
        for n in range(30000):
            yield from self.both(17, udp(20000 + n % 16, 1024 + n, b"flood"))

    def fragments(self):
        """Never the last one: IPv4 in pieces of every place, IPv6 likewise."""
        for n in range(COUNT // 2):
            yield self.v4(ipv4(self.own4, self.victim4, 17, bytes(64), identification=n, fragment=0x2000 | n % 8000))
            yield self.v6(ipv6(self.own6, self.victim6, 44, struct.pack("!BBHI", 17, 0, n % 8000 << 3 | 1, n) + bytes(64)))

    def options(self):
        """As many as there is room for: IPv4, TCP, and chains of extension headers, well made and not."""
        extension = b"\x3c\0\1\4\0\0\0\0"      # destination options that hold padding
        for n in range(COUNT // 4):
            yield self.v4(ipv4(self.own4, self.victim4, 17, udp(7, 9, b""), options=self.chance.choice((b"\1" * 40, b"\x44\x28" + os.urandom(38)))))
            yield self.v4(ipv4(self.own4, self.victim4, 6, tcp(7000 + n, 9, 1, 1, SYN, options=self.chance.choice((b"\1" * 40, b"\2\4\5\xb4" * 10, os.urandom(40))))))
            yield self.v6(ipv6(self.own6, self.victim6, 60, extension * self.chance.randrange(1, 170)))
            yield self.v6(ipv6(self.own6, self.victim6, 0, b"\x2b\0\5\2\0\0\0\0" + b"\x3c\0\0\0\0\0\0\0" + b"\x11\xff" + bytes(1400)))

    def claims(self, addresses4, addresses6):
        """ARP and neighbour discovery: that these addresses are ours; and questions with many options."""
        for n in range(COUNT // 8):
            for address in addresses4:
                for operation, sender, target in ((2, address, self.own4), (1, address, address), (1, self.own4, address), (1, "0.0.0.0", address)):
                    body = struct.pack("!HHBBH", 1, 0x0800, 6, 4, operation) + self.mac + packed(sender) + bytes(6) + packed(target)
                    yield BROADCAST + self.mac + b"\x08\x06" + body
            for address in addresses6:
                link_option = b"\2\1" + self.mac
                yield self.v6(icmpv6(self.link_local, "ff02::1", 136, b"\x60\0\0\0" + packed(address) + link_option))
                yield self.v6(icmpv6(address, "ff02::1", 136, b"\x60\0\0\0" + packed(address) + link_option))
                yield self.v6(icmpv6(self.link_local, address, 135, bytes(4) + packed(address) + (b"\1\1" + self.mac) * (1 + n % 150)))
            router = struct.pack("!BBHII", 64, 0, 1800, 0, 0)
            yield self.v6(icmpv6(self.link_local, "ff02::1", 134, router + b"\1\1" + self.mac))
            yield self.v6(icmpv6(self.link_local, "ff02::2", 133, bytes(4) + (b"\1\1" + self.mac) * (1 + n % 150)))
            yield self.v6(icmpv6(addresses6[0], self.own6, 137, bytes(4) + packed(self.victim6) * 2))

    def dhcp(self):
        for n in range(COUNT // 2):
            options = b"\x35\1" + self.chance.choice((b"\1", b"\3", b"\4", b"\7", b"\x08")) + self.chance.choice((b"", bytes(1000), b"\x37\xff" + bytes(255), os.urandom(600)))
            head = struct.pack("!BBBBIHH4s4s4s4s16s64s128s4s", 1, 1, 6, 0, n, 0, 0x8000 * (n % 2), bytes(4), bytes(4), bytes(4), bytes(4), os.urandom(6),
                               b"", b"", b"\x63\x82\x53\x63")
            yield self.v4(ipv4("0.0.0.0", "255.255.255.255", 17, udp(68, 67, head + options + b"\xff")), BROADCAST)
            client = b"\0\1\0\x0a\0\3\0\1" + os.urandom(6)
            asked = b"\0\3\0\x0c" + os.urandom(4) + bytes(8)
            message = bytes([self.chance.choice((1, 3, 4, 5, 6, 8, 9, 11))]) + os.urandom(3) + client + asked * self.chance.randrange(1, 60)
            yield self.v6(ipv6(self.link_local, "ff02::1:2", 17, udp(546, 547, message)), bytes.fromhex("333300010002"))

    def echoes(self):
        for n in range(30000):
            yield self.v4(ipv4(self.own4, self.victim4, 1, echo(8, n, 1)))
            if n % 2:
                yield self.v6(icmpv6(self.own6, self.victim6, 128, struct.pack("!HH", n, 1)))

    def spoofed_syns(self, port, network4="10.9.{}.{}"):
        for n in range(30000):
            source = network4.format(n >> 8, n & 255)
            yield self.v4(ipv4(source, self.victim4, 6, tcp(1024 + n, port, self.chance.getrandbits(32), 0, SYN, options=b"\2\4\5\xb4")))

    def spoofed_datagrams(self, port, network4="10.9.{}.{}"):
        for n in range(30000):
            yield self.v4(ipv4(network4.format(n >> 8, n & 255), self.victim4, 17, udp(1024 + n, port, b"flood")))
