"""What goes on all the time in the soak: each job is a thread with one kind of traffic on one path, and knows what it may lose."""
import hashlib
import itertools
import os
import random
import socket
import struct
import threading
import time

from inside import exactly, family, reset, send_octets
from services import PATTERN
from world import NOTICE, RESOLVER

PATIENCE, ANSWER = 10, 3        # seconds until a connection, or an answer by datagram, is given up
MOST_OCTETS = 1 << 20
_serial = itertools.count()


class Job(threading.Thread):
    """Repeats `once` until told to stop. `once` says how it went: done, ended (it may, as addresses changed) or lost; else it raises."""

    def __init__(self, world, name, pause):
        super().__init__(daemon=True, name=name)
        self.world, self.pause, self.stopping = world, pause, threading.Event()
        self.done = self.ended = self.lost = 0
        self.slowest, self.faults, self.random = 0.0, [], random.Random(name)

    def run(self):
        self.stopping.wait(self.random.random() * self.pause)
        while not self.stopping.is_set():
            begin = time.monotonic()
            try:
                outcome = self.once(begin)
                setattr(self, outcome, getattr(self, outcome) + 1)
                if outcome == "done":
                    self.slowest = max(self.slowest, time.monotonic() - begin)
            except Exception as error:
                self.faults.append(f"{self.name}: {type(error).__name__} {error}, begun {self.since_change(begin)}")
                if len(self.faults) <= 3:
                    print(f"wrong: {time.strftime('%T')} {self.faults[-1]}", flush=True)
                self.stopping.wait(1)
            self.stopping.wait(self.pause * (0.5 + self.random.random()))
        self.finish()

    def since_change(self, at):
        windows = [w for w in self.world.changes.windows if w[0] <= at]
        return f"{at - windows[-1][0]:.1f} s after a change of addresses" if windows else "before any change of addresses"

    def finish(self):
        """Gives back what is held from one `once` to the next."""


class Stream(Job):
    """TCP over a path. What was bound to an address that went may end; what begins afterwards may not."""

    def __init__(self, world, user, path, kind, pause):
        self.path, self.client, self.address, self.base, self.mortal = path
        super().__init__(world, f"{user.name}, {self.path}, {kind}", pause)

    def connect(self, port):
        return self.client.connected(self.address(), self.base + port, timeout=PATIENCE)

    def may_end(self, begin):
        return self.mortal and self.world.changes.within(begin, time.monotonic())


class Fresh(Stream):
    """A connection for each exchange."""

    def once(self, begin):
        s = None
        try:
            s = self.connect(7)
            s.sendall(b"question")
            if exactly(s, 8) != b"question":
                raise ConnectionError("a wrong or short answer")
            s.shutdown(socket.SHUT_WR)
            if s.recv(1):
                raise ConnectionError("octets behind the answer")
            s.close()
            return "done"
        except OSError:
            s and reset(s)
            if self.may_end(begin):
                return "ended"
            raise


class Exchange(Stream):
    """Questions and answers on one connection for as long as it lives."""

    def __init__(self, *args):
        super().__init__(*args)
        self.socket, self.born = None, 0

    def once(self, begin):
        try:
            if self.socket is None:
                self.born, self.socket = begin, self.connect(7)
            question = b"%032d" % next(_serial)
            self.socket.sendall(question)
            if (answer := exactly(self.socket, 32)) != question:
                raise ConnectionError(f"{answer} is no answer to {question}")
            return "done"
        except OSError:
            if self.socket:
                reset(self.socket)
                self.socket = None
            if self.may_end(self.born):
                return "ended"
            raise

    def finish(self):
        if self.socket:
            self.socket.close()


class Bulk(Stream):
    """Downloads and uploads in turn, each octet verified."""

    def once(self, begin):
        length = self.random.randrange(1, MOST_OCTETS)
        s = None
        try:
            (self.download if self.done % 2 else self.upload)(length, s := self.connect(9 if self.done % 2 == 0 else 19))
            s.close()
            return "done"
        except OSError:
            s and reset(s)
            if self.may_end(begin):
                return "ended"
            raise

    @staticmethod
    def download(length, s):
        s.sendall(b"%d\n" % length)
        got = exactly(s, length)
        if got != PATTERN[:length] or s.recv(1):
            raise ConnectionError(f"a wrong download of {len(got)} for {length} octets")

    @staticmethod
    def upload(length, s):
        send_octets(s, length)
        s.shutdown(socket.SHUT_WR)
        said = s.makefile("rb").read().split()
        if said != [b"%d" % length, hashlib.sha256(PATTERN[:length]).hexdigest().encode()]:
            raise ConnectionError(f"an upload of {length} octets arrived as {said}")


class Datagrams(Job):
    """Questions by datagram on one socket, which lives on when addresses change. Only what is under way in that moment may be lost."""

    def __init__(self, world, name, pause, follows=lambda: None):
        super().__init__(world, name, pause)
        self.socket, self.follows, self.target = None, follows, None

    def once(self, begin):
        if self.socket is None or self.follows() != self.target:    # a peer that has learned of the host's new address
            self.finish()
            self.target, self.socket = self.follows(), self.open()
        token = b"%s %08d" % (self.name.encode(), next(_serial))
        end = begin + ANSWER
        try:
            self.ask(token)
            while (left := end - time.monotonic()) > 0:
                self.socket.settimeout(left)
                if (answer := self.hear(token)) == token:
                    return "done"
                if answer is not None and not answer.startswith(self.name.encode()):
                    raise AssertionError(f"a stranger's answer: {answer[:100]}")
        except TimeoutError:
            pass
        except OSError:
            time.sleep(0.2)
        if self.world.changes.within(begin, time.monotonic(), NOTICE):
            return "lost"
        raise TimeoutError("no answer")

    def ask(self, token):
        self.socket.send(token)

    def hear(self, token):
        return self.socket.recv(2048)

    def finish(self):
        if self.socket:
            self.socket.close()
            self.socket = None


class Conversation(Datagrams):
    """UDP over a path. Both users take the same source port towards the same server."""

    def __init__(self, world, user, path, pause):
        self.path, self.client, self.address, self.base, mortal = path
        inward = self.path.startswith("in ")
        super().__init__(world, f"{user.name}, {self.path}, UDP every {pause} s", pause, self.address if inward else lambda: None)
        self.port = 40000 + int(pause * 10) if self.path.startswith("out") else 0

    def open(self):
        s = self.client.make(family(self.address()), socket.SOCK_DGRAM)
        if s.family == socket.AF_INET6:
            s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        s.bind(self.client.endpoint("::" if s.family == socket.AF_INET6 else "0.0.0.0", self.port))
        s.connect(self.client.endpoint(self.address(), self.base + 7))
        return s


class Lookup(Datagrams):
    """A socket for each question, as resolvers do it."""

    def __init__(self, world, user, pause):
        super().__init__(world, f"{user.name}, DNS", pause)
        self.client = user.place

    def open(self):
        return self.client.connected(RESOLVER, 53, socket.SOCK_DGRAM)

    def ask(self, token):
        self.finish()
        self.socket = self.open()
        self.query = os.urandom(2) + b"\1\0\0\1\0\0\0\0\0\0\4host\7example\0\0\1\0\1"
        self.socket.settimeout(ANSWER)
        self.socket.send(self.query)

    def hear(self, token):
        answer = self.socket.recv(512)
        return token if answer[:2] == self.query[:2] and answer.endswith(b"\xc0\0\2\7") else None


class Ping(Datagrams):
    """Echo with one identifier, as a running ping."""

    def __init__(self, world, user, address, pause):
        self.six, self.address, self.client = ":" in address, address, user.place
        super().__init__(world, f"{user.name}, ping {address}", pause)
        self.identifier, self.sequence = self.random.randrange(1, 65535), 0

    def open(self):
        s = self.client.make(family(self.address), socket.SOCK_RAW, socket.IPPROTO_ICMPV6 if self.six else socket.IPPROTO_ICMP)
        s.connect(self.client.endpoint(self.address, 0))
        return s

    def ask(self, token):
        self.sequence = (self.sequence + 1) % 65536
        message = struct.pack("!BBHHH", 128 if self.six else 8, 0, 0, self.identifier, self.sequence) + token
        if not self.six:
            message = message[:2] + checksum(message) + message[4:]
        self.socket.send(message)

    def hear(self, token):
        message = self.socket.recv(2048)[0 if self.six else 20:]
        if message[0] != (129 if self.six else 0) or struct.unpack("!H", message[4:6])[0] != self.identifier:
            return None
        return message[8:]


def checksum(message):
    total = sum(struct.unpack(f"!{(len(message) + 1) // 2}H", message + bytes(len(message) % 2)))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return struct.pack("!H", ~total & 0xffff)


def all_jobs(world, busy):
    """busy: a factor for all rates."""
    for user in world.users:
        for path in world.paths(user):
            yield Fresh(world, user, path, "a connection each", 0.5 / busy)
            yield Exchange(world, user, path, "exchanges", 0.2 / busy)
            yield Bulk(world, user, path, "bulk", 1.0 / busy)
            yield Conversation(world, user, path, 0.2)
            yield Conversation(world, user, path, 15.0)
        yield Lookup(world, user, 0.5 / busy)
        for address in ("192.0.2.3", "2001:db8::3"):
            yield Ping(world, user, address, 1.0)
