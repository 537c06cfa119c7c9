"""A guest on a vhost-user front-end: sends and receives frames on one pair of queues, judges each frame that comes by what was
negotiated (virtio 1.2, section 5.1.6), and has a TCP client that is just able enough, with segments of any size.
"""
import collections
import struct
import time

import frames
from frames import ACK, FIN, PSH, RST, SYN, TCP, UDP, FrameClient
from vhost_messages import Feature
from vhost_ring import NET_HEADER

NEEDS_CSUM, DATA_VALID = 1, 2
GSO_NONE, GSO_TCPV4, GSO_UDP, GSO_TCPV6, GSO_UDP_L4, GSO_ECN = 0, 1, 3, 4, 5, 0x80
GUEST_GSO = {GSO_TCPV4: (Feature.GUEST_TSO4,), GSO_TCPV6: (Feature.GUEST_TSO6,), GSO_UDP_L4: (Feature.GUEST_USO4, Feature.GUEST_USO6)}
SUM_OFFSET = {TCP: 16, UDP: 6}


def virtio_header(flags=0, gso=GSO_NONE, header_length=0, gso_size=0, start=0, offset=0, buffers=0):
    return NET_HEADER.pack(flags, gso, header_length, gso_size, start, offset, buffers)


def gso_header(frame, size):
    """The header for a super-frame whose checksum is partial, to be cut into segments of so many octets."""
    found = frames.packet(frame)
    length = found.at + (8 if found.protocol == UDP else (found.upper[12] >> 4) * 4)
    kind = GSO_UDP_L4 if found.protocol == UDP else GSO_TCPV6 if frame[12:14] == b"\x86\xdd" else GSO_TCPV4
    return virtio_header(NEEDS_CSUM, kind, length, size, found.at, SUM_OFFSET[found.protocol])


def partial_header(frame):
    """The header for a frame whose checksum is partial."""
    found = frames.packet(frame)
    return virtio_header(NEEDS_CSUM, start=found.at, offset=SUM_OFFSET[found.protocol])


def completed(frame, start, offset):
    """The frame with the checksum that NEEDS_CSUM leaves to its receiver."""
    value = frames.complement(frame[start:]) or 0xffff
    return frame[:start + offset] + struct.pack("!H", value) + frame[start + offset + 2:]


def judge(header, frame, features, mtu=1500):
    """What is wrong with a frame and its virtio header: a list that should be empty."""
    flags, gso, header_length, gso_size, start, offset, _ = NET_HEADER.unpack(header)
    has = lambda feature: features >> feature & 1
    found = []
    if len(frame) < 14:
        return [f"a frame of {len(frame)} octets"]
    if flags & (NEEDS_CSUM | DATA_VALID) and not has(Feature.GUEST_CSUM):
        found.append(f"flags {flags} without GUEST_CSUM")
    if flags & ~(NEEDS_CSUM | DATA_VALID):
        found.append(f"flags {flags:#x}")
    if flags & NEEDS_CSUM:
        found += _faults_of_partial(frame, start, offset)
    found += frames.faults_of_packet(frame, sums=not flags)
    kind = gso & ~GSO_ECN
    if gso & GSO_ECN and not has(Feature.GUEST_ECN):
        found.append("ECN without GUEST_ECN")
    if kind == GSO_NONE:
        if len(frame) > 14 + mtu:
            found.append(f"a frame of {len(frame)} octets, and no super-frame")
    else:
        if not any(has(f) for f in GUEST_GSO.get(kind, ())):
            found.append(f"gso type {gso} was not negotiated")
        if not flags & NEEDS_CSUM:
            found.append("a super-frame without NEEDS_CSUM")
        found += _faults_of_gso(frame, kind, gso_size, header_length, mtu)
    return found


def _faults_of_partial(frame, start, offset):
    inside = frames.packet(frame)
    if inside is None or inside.protocol not in SUM_OFFSET or (start, offset) != (inside.at, SUM_OFFSET[inside.protocol]):
        return [f"NEEDS_CSUM at {start} and {offset}"]
    done = completed(frame, start, offset)
    return [f"partial {fault}" for fault in frames.faults_of_packet(done)]


def _faults_of_gso(frame, kind, gso_size, header_length, mtu):
    inside, found = frames.packet(frame), []
    family = {GSO_TCPV4: (TCP, b"\x08\x00"), GSO_TCPV6: (TCP, b"\x86\xdd"), GSO_UDP_L4: (UDP, frame[12:14])}.get(kind)
    if inside is None or family != (inside.protocol, frame[12:14]):
        return [f"gso type {kind} of what is not that"]
    headers = inside.at + (8 if kind == GSO_UDP_L4 else (inside.upper[12] >> 4) * 4)
    if not gso_size or headers + gso_size > 14 + mtu:
        found.append(f"gso size {gso_size}")
    if header_length and header_length < headers:
        found.append(f"header length {header_length} of {headers}")
    return found


def datagrams_of(frame, size):
    """What a guest makes of a super-frame of UDP."""
    found = frames.packet(frame)
    ports, payload = struct.unpack("!HH", found.upper[:4]), found.upper[8:]
    for at in range(0, len(payload), size):
        yield frames.udp(found.source, ports[0], found.destination, ports[1], payload[at:at + size])


class VhostGuest(FrameClient):
    def __init__(self, front, pair=0, mtu=1500):
        self.front, self.mtu, self.pair = front, mtu, pair
        self.incoming, self.outgoing = front.rings[2 * pair], front.rings[2 * pair + 1]
        self.bad, self.pending, self.kinds = {}, collections.deque(), collections.Counter()

    def has(self, *features):
        return all(self.front.features >> feature & 1 for feature in features)

    @property
    def faults(self):
        return [*self.bad.values(), *self.front.faults()]

    def send(self, *sent, cuts=()):
        """Whole frames with complete checksums, with one notification at most."""
        for frame in sent:
            self.outgoing.put(frame, cuts=cuts)
        self.outgoing.publish()

    def send_marked(self, *pairs, cuts=()):
        """(virtio header, frame)s."""
        for header, frame in pairs:
            self.outgoing.put(frame, header, cuts)
        self.outgoing.publish()

    def receive(self, timeout=2):
        """The next frame, or None if there is none in time."""
        end = time.monotonic() + timeout
        while not self.pending:
            for header, frame in self.incoming.frames():
                self._take(header, frame)
            left = end - time.monotonic()
            if not self.pending and (left <= 0 or not self.incoming.wait(left)):
                return None
        return self.pending.popleft()

    def _take(self, header, frame):
        for fault in judge(header, frame, self.front.features, self.mtu):
            self.bad.setdefault(fault, f"{fault}: {header.hex()} {frame[:80].hex()}")       # one example of each
        flags, gso = header[:2]
        self.kinds[f"gso {gso}"] += 1
        self.kinds[f"flags {flags}"] += 1
        whole = gso & ~GSO_ECN != GSO_UDP_L4
        self.pending.extend([frame] if whole else datagrams_of(frame, NET_HEADER.unpack(header)[3] or len(frame)))


class Connection:
    """The guest's end of a TCP connection: sends what the window allows, goes back when nothing is acknowledged, takes data in order.
    most: the payload of a segment; above the MSS it is sent as a super-frame. partial: checksums are left to the other side."""

    def __init__(self, guest, source, source_port, destination, port, mss=None, most=0, partial=False, scale=4):
        self.guest, self.ends = guest, (source, source_port, destination, port)
        self.mss = mss or (1440 if ":" in source else 1460)
        self.most, self.partial, self.scale = most or self.mss, partial or most > 0, scale
        self.snd_una = self.snd_nxt = 1000
        self.rcv_nxt = self.window = self.peer_scale = 0
        self.data, self.ended, self.is_reset, self.largest = bytearray(), False, False, 0
        self._ours = struct.pack("!HH", port, source_port)
        self._connect()

    def _connect(self):
        options = struct.pack("!BBHBBBB", 2, 4, self.mss, 3, 3, self.scale, 1)
        for _ in range(5):
            self._emit([(self.snd_una, SYN, b"")], options)
            self.snd_nxt = self.snd_una + 1
            if self._hear(1) and self.snd_una == self.snd_nxt:
                return self.acknowledge()
        raise TimeoutError("no answer to a SYN")

    def _emit(self, segments, options=b""):
        pairs = []
        for seq, flags, payload in segments:
            frame = frames.tcp(*self.ends, seq, self.rcv_nxt, flags, 65535, payload, options, self.partial)
            header = gso_header(frame, self.mss) if len(payload) > self.mss else partial_header(frame) if self.partial else bytes(NET_HEADER.size)
            pairs.append((header, frame))
        self.guest.send_marked(*pairs)

    def acknowledge(self):
        self._emit([(self.snd_nxt, ACK, b"")])

    def _hear(self, timeout):
        """Takes what comes until something of ours was among it and no more is ready; False after the time."""
        end, heard, owed = time.monotonic() + timeout, False, False
        while (frame := self.guest.receive(0 if heard else max(0, end - time.monotonic()))) is not None:
            found = frames.packet(frame)
            if found is not None and found.protocol == TCP and found.upper[:4] == self._ours:
                heard, owed = True, self._segment(found.upper) or owed
        if owed:
            self.acknowledge()
        return heard

    def _segment(self, upper):
        """True if it is to be acknowledged."""
        seq, ack, offset, flags, window = struct.unpack("!IIBBH", upper[4:16])
        payload = upper[(offset >> 4) * 4:]
        if flags & RST:
            self.is_reset = self.ended = True
            return False
        if flags & SYN:
            self.rcv_nxt, self.peer_scale = seq + 1, _window_scale(upper[20:(offset >> 4) * 4])
        self.window = window << (0 if flags & SYN else self.peer_scale)
        if 0 <= ack - self.snd_una & 0xffffffff <= self.snd_nxt - self.snd_una:
            self.snd_una += ack - self.snd_una & 0xffffffff
        if not payload and not flags & FIN:
            return False
        ahead = self.rcv_nxt - seq & 0xffffffff         # what of it we have already
        if ahead <= len(payload) and not self.ended:
            self.largest = max(self.largest, len(payload))
            self.data += payload[ahead:]
            self.rcv_nxt = self.rcv_nxt + len(payload) - ahead & 0xffffffff
            if flags & FIN:
                self.rcv_nxt, self.ended = self.rcv_nxt + 1 & 0xffffffff, True
        return True

    def send(self, data, finish=False, timeout=20):
        """Sends and waits until all of it is acknowledged, with a FIN behind it if asked for."""
        base, total, end, resend = self.snd_una, len(data) + finish, time.monotonic() + timeout, time.monotonic() + 0.5
        while self.snd_una < base + total and not self.is_reset:
            if time.monotonic() > end:
                raise TimeoutError(f"{self.snd_una - base} of {total} octets acknowledged")
            before, segments = self.snd_una, []
            while (at := self.snd_nxt - base) < total and (room := min(self.window, 1 << 18) - (self.snd_nxt - self.snd_una)) > 0 and len(segments) < 16:
                payload = data[at:at + min(self.most, room)]
                last = finish and at + len(payload) == len(data)
                segments.append((self.snd_nxt, ACK | (PSH if payload else 0) | (FIN if last else 0), payload))
                self.snd_nxt += len(payload) + last
            if segments:
                self._emit(segments)
            self._hear(0.5 if not segments or self.snd_nxt - base == total else 0)
            if self.snd_una > before:
                resend = time.monotonic() + 0.5
            elif time.monotonic() > resend:
                self.snd_nxt, resend = self.snd_una, time.monotonic() + 0.5
        return self.snd_una == base + total

    def receive(self, length=1 << 62, timeout=20):
        """So many octets, or all until the other side has ended; fewer after the time."""
        end = time.monotonic() + timeout
        while len(self.data) < length and not self.ended and time.monotonic() < end:
            self._hear(0.5)
        taken, self.data = bytes(self.data[:length]), self.data[length:]
        return taken


def _window_scale(options):
    while options and options[0]:
        if options[0] == 1:
            options = options[1:]
        elif options[0] == 3:
            return options[2]
        else:
            options = options[options[1]:]
    return 0
