"""A machine made of Python: speaks the framing of QEMU's `-netdev stream` with passt, and checks what it hears.

A frame travels behind its length as four octets in network order. What is sent is built by hand or by scapy; each frame that
comes in is judged: its padding, its lengths, its checksums.
"""
import fcntl
import select
import socket
import struct
import termios
import time

from frames import BROADCAST, MAC, OURS, FrameClient, faults, is_arp_reply  # noqa: F401: what the users of this module have from it
from scapy.config import conf

conf.ipv6_enabled = True
from scapy.layers.inet import ICMP, IP, TCP, UDP  # noqa: E402
from scapy.layers.inet6 import IPv6  # noqa: E402
from scapy.layers.l2 import ARP, Ether  # noqa: E402


def framed(*frames):
    return b"".join(struct.pack("!I", len(frame)) + bytes(frame) for frame in frames)


class Closed(Exception):
    """The other side closed the connection."""


class StreamClient(FrameClient):
    def __init__(self, connection):
        """connection: a connected socket, or the path of passt's."""
        if isinstance(connection, str):
            path, connection = connection, socket.socket(socket.AF_UNIX)
            connection.connect(path)
        self.socket, self._received, self.faults = connection, b"", []
        connection.settimeout(10)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    close = __exit__

    def send(self, *frames):
        self.socket.sendall(framed(*frames))

    def send_octets(self, octets):
        """What need not be whole frames."""
        self.socket.sendall(octets)

    def wait_until_taken(self, timeout=5):
        """Until the other side has read all that was sent, so that what follows comes in another read."""
        end = time.monotonic() + timeout
        while struct.unpack("i", fcntl.ioctl(self.socket, termios.TIOCOUTQ, bytes(4)))[0]:
            if time.monotonic() > end:
                raise TimeoutError("the octets sent are not read")

    def _frame(self):
        if len(self._received) < 4:
            return None
        length = struct.unpack("!I", self._received[:4])[0]
        if length < 14 or length > 65535 + 14:
            raise AssertionError(f"a frame of {length} octets was announced")
        if len(self._received) < 4 + length:
            return None
        frame, self._received = self._received[4:4 + length], self._received[4 + length:]
        self.faults += [f"{fault}: {frame.hex()}" for fault in faults(frame)]
        return frame

    def receive(self, timeout=2):
        """The next frame, or None if there is none in time."""
        end = time.monotonic() + timeout
        while (frame := self._frame()) is None:
            left = end - time.monotonic()
            if left < 0 or not select.select([self.socket], [], [], left)[0]:
                return None
            try:
                data = self.socket.recv(1 << 20)
            except ConnectionError:
                data = b""
            if not data:
                raise Closed()
            self._received += data
        return frame

    def wait_for_close(self, timeout=2):
        """True if the other side closes within the time; what it still sends is read."""
        end = time.monotonic() + timeout
        try:
            while (left := end - time.monotonic()) > 0:
                self.receive(left)
        except Closed:
            return True
        return False


def arp_request(target, sender, mac=MAC):
    return bytes(Ether(dst=BROADCAST, src=mac) / ARP(op=1, hwsrc=mac, psrc=sender, hwdst="00:00:00:00:00:00", pdst=target))


def ip(source, destination, ttl=64):
    """The headers below a transport protocol, by the family of the addresses."""
    ether = Ether(dst=OURS, src=MAC)
    return ether / (IPv6(src=source, dst=destination, hlim=ttl) if ":" in source else IP(src=source, dst=destination, ttl=ttl))


def udp(source, source_port, destination, port, payload):
    return bytes(ip(source, destination) / UDP(sport=source_port, dport=port) / payload)


def udp_payload(frame, port):
    """The payload of a datagram to a port of ours; None of any other frame."""
    start = {b"\x08\x00": 34, b"\x86\xdd": 54}.get(frame[12:14])
    protocol = frame[23:24] if start == 34 else frame[20:21]
    if start is None or protocol != b"\x11" or struct.unpack("!H", frame[start + 2:start + 4])[0] != port:
        return None
    return frame[start + 8:start + struct.unpack("!H", frame[start + 4:start + 6])[0]]


class Connection:
    """One end of a TCP connection, just able enough: takes data in order, acknowledges, never retransmits."""

    def __init__(self, client, source, source_port, destination, port, scale=8, mss=1460):
        self.client, self.destination, self.port, self.source, self.source_port = client, destination, port, source, source_port
        self.snd_nxt, self.rcv_nxt, self.ended, self.scale = 1000, 0, False, scale
        synack = None
        self._emit("S", options=[("MSS", mss), ("WScale", scale)])
        self.snd_nxt += 1
        if frames := client.collect(1, 5, self._is_ours):
            synack = Ether(frames[0])[TCP]
        self.synack = synack
        if synack is not None and synack.flags == "SA":
            self.rcv_nxt = synack.seq + 1
            self._emit("A")

    def _is_ours(self, frame):
        at = {b"\x08\x00": 34, b"\x86\xdd": 54}.get(frame[12:14])
        protocol = frame[23:24] if at == 34 else frame[20:21]
        return at is not None and protocol == b"\x06" and frame[at:at + 4] == struct.pack("!HH", self.port, self.source_port)

    def _emit(self, flags, payload=b"", options=()):
        segment = TCP(sport=self.source_port, dport=self.port, flags=flags, seq=self.snd_nxt, ack=self.rcv_nxt, window=65535, options=list(options))
        self.client.send(bytes(ip(self.source, self.destination) / segment / payload))

    def send(self, payload):
        self._emit("PA", payload)
        self.snd_nxt += len(payload)

    def acknowledge(self):
        self._emit("A")

    def take(self, frame):
        """The new data in a frame, b"" if there is none that follows."""
        if not self._is_ours(frame):
            return b""
        at, end = (34, 14 + struct.unpack("!H", frame[16:18])[0]) if frame[12:14] == b"\x08\x00" else (54, 54 + struct.unpack("!H", frame[18:20])[0])
        seq, offset, flags = struct.unpack("!I4xBB", frame[at + 4:at + 14])
        data = frame[at + (offset >> 4) * 4:end]
        if seq != self.rcv_nxt & 0xffffffff:
            return b""
        self.rcv_nxt += len(data)
        if flags & 1:
            self.rcv_nxt, self.ended = self.rcv_nxt + 1, True
        return data

    def receive(self, length, timeout=10):
        """So many octets in order, acknowledged as they come; fewer if the time ends or the other side does."""
        end, data = time.monotonic() + timeout, b""
        while len(data) < length and not self.ended and (left := end - time.monotonic()) > 0:
            if (frame := self.client.receive(left)) is None:
                break
            if new := self.take(frame):
                data += new
            if self._is_ours(frame):
                self.acknowledge()
        return data
