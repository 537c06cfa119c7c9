"""Frames built and judged without a library, and what clients share that exchange frames one way or another.

The checksum of a transport protocol is complete, or partial: then the field has the folded sum of the pseudo-header, and whoever gets
the frame has to go on from there (virtio's NEEDS_CSUM).
"""
import collections
import socket
import struct
import time

MAC = "52:54:00:12:34:56"
OURS = "9a:55:9a:55:9a:55"      # passt's own address on the wire
BROADCAST = "ff:ff:ff:ff:ff:ff"
ICMP, TCP, UDP, ICMPV6 = 1, 6, 17, 58
FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16
Packet = collections.namedtuple("Packet", "source destination protocol at upper")     # at: where in the frame the upper layer begins


def ones_sum(octets):
    if len(octets) % 2:
        octets += b"\0"
    total = int.from_bytes(octets, "big")
    return total % 0xffff or (0xffff if total else 0)


def faults(frame):
    """What is wrong with a frame: a list that should be empty."""
    found = []
    if len(frame) < 60:
        found.append(f"only {len(frame)} octets")
    return found + faults_of_packet(frame)


def faults_of_packet(frame, sums=True):
    """The same of what is in it. sums: False if the transport's checksum is somebody else's matter."""
    found, kind, packet = [], frame[12:14], frame[14:]
    if kind == b"\x08\x00":
        header, total = (packet[0] & 15) * 4, struct.unpack("!H", packet[2:4])[0]
        if ones_sum(packet[:header]) != 0xffff:
            found.append("IPv4 checksum")
        protocol, upper, addresses = packet[9], packet[header:total], packet[12:20]
        if struct.unpack("!H", packet[6:8])[0] & 0x3fff:
            return found        # a fragment: the sum covers the whole datagram
    elif kind == b"\x86\xdd":
        total = 40 + struct.unpack("!H", packet[4:6])[0]
        protocol, upper, addresses = packet[6], packet[40:total], packet[8:40]
    else:
        return found
    if len(packet) < total:
        found.append("cut off")
    if any(packet[total:]) or len(frame) > max(60, 14 + total):
        found.append("padding")
    pseudo = addresses + struct.pack("!II", len(upper), protocol)
    if sums and protocol in (6, 17, 58) and ones_sum(pseudo + upper) != 0xffff and (protocol, upper[6:8]) != (17, b"\0\0"):
        found.append(f"checksum of protocol {protocol}")
    if protocol == 1 and ones_sum(upper) != 0xffff:
        found.append("ICMP checksum")
    return found


class FrameClient:
    """What can be done with any client that has `send(*frames)` and `receive(timeout)`, which gives a frame or None."""

    def collect(self, count, timeout=2, wanted=lambda frame: True):
        """So many frames that are wanted, or those that came in time."""
        end, found = time.monotonic() + timeout, []
        while len(found) < count and (frame := self.receive(max(0, end - time.monotonic()))) is not None:
            if wanted(frame):
                found.append(frame)
        return found

    def ask(self, frame, wanted=lambda frame: True, timeout=2):
        """Sends a frame; the first answer that is wanted, or None."""
        self.send(frame)
        return next(iter(self.collect(1, timeout, wanted)), None)

    def drain(self, quiet=0.2):
        """Everything until so many seconds pass in silence."""
        found = []
        while (frame := self.receive(quiet)) is not None:
            found.append(frame)
        return found


def is_arp_reply(frame):
    return frame[12:14] == b"\x08\x06" and frame[20:22] == b"\x00\x02"


# ---- building

def octets_of(address):
    return socket.inet_pton(socket.AF_INET6 if ":" in address else socket.AF_INET, address)


def ether(kind, payload, destination=OURS, source=MAC):
    return bytes.fromhex((destination + source).replace(":", "")) + struct.pack("!H", kind) + payload


def complement(octets):
    return 0xffff - ones_sum(octets)


def ip(source, destination, protocol, upper, to=OURS, identification=0, ttl=64):
    """A frame with a whole packet, by the family of the addresses."""
    addresses = octets_of(source) + octets_of(destination)
    if ":" in source:
        return ether(0x86dd, struct.pack("!IHBB", 6 << 28, len(upper) & 0xffff, protocol, ttl) + addresses + upper, to)
    header = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(upper) & 0xffff, identification, 0x4000, ttl, protocol, 0) + addresses
    return ether(0x0800, header[:10] + struct.pack("!H", complement(header)) + header[12:] + upper, to)


def with_sum(source, destination, protocol, upper, at, partial=False):
    """The upper layer with its checksum, which lies at an offset and is zero yet."""
    pseudo = octets_of(source) + octets_of(destination) + struct.pack("!II", len(upper), protocol)
    value = ones_sum(pseudo) if partial else complement(pseudo + upper) or 0xffff
    return upper[:at] + struct.pack("!H", value) + upper[at + 2:]


def udp(source, source_port, destination, port, payload, partial=False, to=OURS):
    upper = struct.pack("!HHHH", source_port, port, 8 + len(payload) & 0xffff, 0) + payload
    return ip(source, destination, UDP, with_sum(source, destination, UDP, upper, 6, partial), to)


def tcp(source, source_port, destination, port, seq, ack, flags, window, payload=b"", options=b"", partial=False):
    head = struct.pack("!HHIIBBHHH", source_port, port, seq & 0xffffffff, ack & 0xffffffff, (20 + len(options)) // 4 << 4, flags, window, 0, 0)
    return ip(source, destination, TCP, with_sum(source, destination, TCP, head + options + payload, 16, partial))


def arp_request(target, sender, mac=MAC):
    octets = bytes.fromhex("0001080006040001" + mac.replace(":", "")) + octets_of(sender) + bytes(6) + octets_of(target)
    return ether(0x0806, octets, BROADCAST, mac).ljust(60, b"\0")


def neighbour_solicitation(target, sender, mac=MAC):
    upper = bytes.fromhex("8700000000000000") + octets_of(target) + bytes.fromhex("0101" + mac.replace(":", ""))
    group = "ff02::1:ff" + octets_of(target)[-3:].hex()[:2] + ":" + octets_of(target)[-2:].hex()
    return ip(sender, group, ICMPV6, with_sum(sender, group, ICMPV6, upper, 2), "33:33:ff:00:00:00", ttl=255)


def echo_request(source, destination, number, payload=b"hello"):
    upper = struct.pack("!BBHHH", 128 if ":" in source else 8, 0, 0, 77, number) + payload
    if ":" in source:
        return ip(source, destination, ICMPV6, with_sum(source, destination, ICMPV6, upper, 2))
    return ip(source, destination, ICMP, upper[:2] + struct.pack("!H", complement(upper)) + upper[4:])


def dhcp_discover(xid=7, mac=MAC):
    bootp = struct.pack("!BBBBIHH16s16s192s", 1, 1, 6, 0, xid, 0, 0, b"", bytes.fromhex(mac.replace(":", "")), b"") + bytes.fromhex("63825363350101ff")
    return udp("0.0.0.0", 68, "255.255.255.255", 67, bootp, to=BROADCAST)


# ---- reading

def packet(frame):
    """The packet in a frame, without a check; None if it is no IP."""
    if frame[12:14] == b"\x08\x00":
        at = 14 + (frame[14] & 15) * 4
        return Packet(socket.inet_ntop(socket.AF_INET, frame[26:30]), socket.inet_ntop(socket.AF_INET, frame[30:34]), frame[23], at,
                      frame[at:14 + struct.unpack("!H", frame[16:18])[0]])
    if frame[12:14] == b"\x86\xdd":
        return Packet(socket.inet_ntop(socket.AF_INET6, frame[22:38]), socket.inet_ntop(socket.AF_INET6, frame[38:54]), frame[20], 54,
                      frame[54:54 + struct.unpack("!H", frame[18:20])[0]])
    return None


def is_echo_reply(frame):
    found = packet(frame)
    return found is not None and (found.protocol, found.upper[:1]) in ((ICMP, b"\0"), (ICMPV6, b"\x81"))


def is_dhcp_offer(frame):
    found = packet(frame)
    return found is not None and found.protocol == UDP and found.upper[:4] == struct.pack("!HH", 67, 68) and found.upper[8:9] == b"\x02"


def udp_payload(frame, port):
    """The payload of a datagram to a port of ours; None of any other frame."""
    found = packet(frame)
    return found.upper[8:] if found and found.protocol == UDP and found.upper[2:4] == struct.pack("!H", port) else None
