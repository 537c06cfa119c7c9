"""A name server of the tests', which says what it is told to say, also what no real one would; and a witness of what was asked."""
import contextlib
import select
import socket
import struct
import threading
import time

A, CNAME, SOA, TXT, AAAA, OPT, HTTPS = 1, 5, 6, 16, 28, 41, 65
NO_ERROR, FORMAT_ERROR, SERVER_FAILURE, NAME_ERROR = 0, 1, 2, 3


def encoded(name):
    return b"".join(bytes([len(label)]) + label.encode("latin-1") for label in name.split(".") if label) + b"\0"


def query(name, kind=A, number=4711, opt=True, raw=None, flags=0x0100, extra=b""):
    """A query; `raw`: the octets of the name, `extra`: of options of OPT."""
    octets = struct.pack("!HHHHHH", number, flags, 1, 0, 0, int(opt)) + (encoded(name) if raw is None else raw) + struct.pack("!HH", kind, 1)
    return octets + (struct.pack("!BHHIH", 0, OPT, 1232, 0, len(extra)) + extra if opt else b"")


def _name(octets, at):
    labels, end = [], None
    while length := octets[at]:
        if length >= 0xc0:
            end = end or at + 2
            at = (length & 0x3f) << 8 | octets[at + 1]
            continue
        labels.append(octets[at + 1:at + 1 + length].decode("latin-1"))
        at += 1 + length
    return ".".join(labels), end or at + 1


class Answer:
    """What a server has said."""

    def __init__(self, octets):
        self.octets = octets
        self.number, self.flags, questions, *counts = struct.unpack_from("!HHHHHH", octets)
        self.code, self.truncated = self.flags & 15, bool(self.flags & 0x0200)
        at, self.question, self.records, self.error = 12, None, [], None
        if questions:
            self.question, at = _name(octets, at)
            at += 4
        for section, count in enumerate(counts):
            for _ in range(count):
                owner, at = _name(octets, at)
                kind, _, ttl, length = struct.unpack_from("!HHIH", octets, at)
                at += 10
                data = octets[at:at + length]
                if kind in (A, AAAA):
                    data = socket.inet_ntop(socket.AF_INET if kind == A else socket.AF_INET6, data)
                elif kind == CNAME:
                    data = _name(octets, at)[0]
                elif kind == OPT and length >= 6 and struct.unpack_from("!H", data)[0] == 15:
                    self.error, = struct.unpack_from("!H", data, 4)
                at += length
                self.records.append((section, owner, kind, ttl, data))
        assert at == len(octets), "octets behind the last record"

    def addresses(self):
        return [data for section, _, kind, _, data in self.records if section == 0 and kind in (A, AAAA)]

    def kinds(self, section):
        return [kind for of, _, kind, _, _ in self.records if of == section]


def ask(place, server, name, kind=A, tcp=False, timeout=8, **options):
    """The answer of a server."""
    asked = query(name, kind, **options)
    with place.connected(server, 53, socket.SOCK_STREAM if tcp else socket.SOCK_DGRAM, timeout=timeout) as s:
        if not tcp:
            s.send(asked)
            return Answer(s.recv(65536))
        s.sendall(struct.pack("!H", len(asked)) + asked)
        stream = s.makefile("rb")
        length, = struct.unpack("!H", stream.read(2))
        return Answer(stream.read(length))


def record(owner, data, kind=None, ttl=60):
    """Of an address, if nothing else is said."""
    if kind is None:
        kind = AAAA if ":" in data else A
    if kind in (A, AAAA):
        data = socket.inet_pton(socket.AF_INET6 if kind == AAAA else socket.AF_INET, data)
    elif kind == CNAME:
        data = encoded(data)
    return encoded(owner) + struct.pack("!HHIH", kind, 1, ttl, len(data)) + data


class NameServer:
    """At some addresses of a place, over UDP and TCP. `answers(name, kind)` is a list of records, or None for a name that there is not."""

    def __init__(self, place, addresses, answers):
        self.answers, self.asked, self.delay = answers, [], 0
        self.mangled = lambda answer, over_tcp: [answer]      # what is really said
        self._udp = [place.bound(a, 53, socket.SOCK_DGRAM) for a in addresses]
        self._tcp = [place.bound(a, 53) for a in addresses]
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def close(self):
        self._done.set()
        self._thread.join()
        for s in (*self._udp, *self._tcp):
            s.close()

    def answer(self, asked):
        name, at = _name(asked, 12)
        kind, = struct.unpack_from("!H", asked, at)
        self.asked.append((name, kind))
        records = self.answers(name.lower(), kind)
        code = NAME_ERROR if records is None else records if isinstance(records, int) else NO_ERROR
        records = records if isinstance(records, list) else []
        authority = b"" if records else encoded("test") + struct.pack("!HHIH", SOA, 1, 30, 22) + b"\0\0" + struct.pack("!IIIII", 1, 2, 3, 4, 30)
        return struct.pack("!HHHHHH", struct.unpack_from("!H", asked)[0], 0x8180 | code, 1, len(records), int(not records), 0) + asked[12:at + 4] + b"".join(records) + authority

    def _serve(self):
        while not self._done.is_set():
            for s in select.select([*self._udp, *self._tcp], [], [], 0.05)[0]:
                with contextlib.suppress(OSError):
                    self._serve_tcp(s) if s in self._tcp else self._serve_udp(s)

    def _serve_udp(self, s):
        asked, client = s.recvfrom(65536)
        answer = self.answer(asked)
        if len(answer) > 1232:
            answer = answer[:2] + bytes([answer[2] | 2]) + answer[3:4] + struct.pack("!HHHH", 1, 0, 0, 0) + asked[12:_name(asked, 12)[1] + 4]

        def send():
            for octets in self.mangled(answer, False):
                with contextlib.suppress(OSError):
                    s.sendto(octets, client)
        if self.delay:
            threading.Timer(self.delay, send).start()
        else:
            send()

    def _serve_tcp(self, s):
        with s.accept()[0] as c:
            c.settimeout(2)
            stream = c.makefile("rb")
            length, = struct.unpack("!H", stream.read(2))
            answer = self.answer(stream.read(length))
            for octets in self.mangled(answer, True):
                c.sendall(struct.pack("!H", len(octets)) + octets)


class Witness:
    """Sees all frames of an interface in a place."""

    def __init__(self, place, interface):
        self._socket = place.make(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
        self._socket.bind((interface, 3))
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._socket.close()

    def has_seen(self, octets, wait=0.3):
        """Whether any frame by now has these octets, in whatever case. Once for all frames."""
        time.sleep(wait)
        self._socket.settimeout(0)
        seen = []
        with contextlib.suppress(BlockingIOError):
            while True:
                seen.append(self._socket.recv(65536).lower())
        return any(octets.lower() in frame for frame in seen), len(seen)
