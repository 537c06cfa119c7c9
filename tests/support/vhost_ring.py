"""A driver of split virtqueues (virtio 1.2, section 2.7), and the two queues of a network device on top of it.

Whatever the device does to a ring is judged, and what is wrong is added to `faults`: a list that should be empty.
"""
import collections
import os
import select
import struct
import threading
import time

from vhost_messages import Feature

NEXT, WRITE, INDIRECT = 1, 2, 4             # flags of a descriptor
NO_NOTIFY, NO_INTERRUPT = 1, 1              # flags of the used and of the available ring
NET_HEADER = struct.Struct("<BBHHHHH")      # flags, gso type, header length, gso size, checksum start, its offset, number of buffers
DESCRIPTOR = struct.Struct("<QIHH")
GUARD = bytes.fromhex("c5a35c3ac5a35c3a")   # behind each buffer for the device
_barrier = threading.Lock()


def descriptor(address, length, flags=0, following=0):
    return DESCRIPTOR.pack(address, length, flags, following)


class SplitRing:
    """One virtqueue in guest memory. kick and call are eventfds."""

    def __init__(self, memory, size, features=0, region=None):
        self.memory, self.size, self.features, self.faults = memory, size, features, []
        self.table = memory.allocate(16 * size, 16, region)
        self.available = memory.allocate(6 + 2 * size, 2, region)
        self.used = memory.allocate(6 + 8 * size, 4, region)
        self.kick, self.call = os.eventfd(0, os.EFD_NONBLOCK), os.eventfd(0, os.EFD_NONBLOCK)
        self.calls = self.kicks = 0
        self.indirect_tables = {}
        self.reset()

    def reset(self):
        """As a driver leaves it before the device is started anew."""
        for address, length in ((self.table, 16 * self.size), (self.available, 6 + 2 * self.size), (self.used, 6 + 8 * self.size)):
            self.memory.write(address, bytes(length))
        self.free = collections.deque(range(self.size))
        self.outstanding = {}       # by head: (its descriptors, the octets that the device may write, what the user wants back)
        self.order = collections.deque()
        self.next_available = self.last_used = self.told = 0

    def fault(self, what):
        if len(self.faults) < 20:       # what goes on being wrong is said often enough
            self.faults.append(what)

    def close(self):
        for fd in (self.kick, self.call):
            os.close(fd)

    def has(self, feature):
        return bool(self.features >> feature & 1)

    # ---- towards the device

    def add(self, chain, token=None, indirect=False):
        """Puts a buffer of (address, length, device may write) into the ring, not yet seen by the device; its head, or None if full."""
        indirect = indirect and self.has(Feature.INDIRECT_DESC)
        if len(self.free) < (1 if indirect else len(chain)):
            return None
        ids = [self.free.popleft() for _ in range(1 if indirect else len(chain))]
        if indirect:
            last = len(chain) - 1
            table = b"".join(descriptor(a, n, WRITE * w | NEXT * (i < last), i + 1 if i < last else 0) for i, (a, n, w) in enumerate(chain))
            where = self._indirect_table(ids[0], len(table))
            self.memory.write(where, table)
            self.memory.write(self.table + 16 * ids[0], descriptor(where, len(table), INDIRECT))
        else:
            for at, following, (a, n, w) in zip(ids, [*ids[1:], None], chain):
                self.memory.write(self.table + 16 * at, descriptor(a, n, WRITE * w | NEXT * (following is not None), following or 0))
        self.outstanding[ids[0]] = (ids, sum(n for _, n, w in chain if w), token)
        self.order.append(ids[0])
        self.offer(ids[0])
        return ids[0]

    def _indirect_table(self, head, length):
        address, room = self.indirect_tables.get(head, (0, 0))
        if room < length:
            address, room = self.memory.allocate(length, 16), length
            self.indirect_tables[head] = address, room
        return address

    def offer(self, head):
        """Writes a head into the available ring, whether it is one or not."""
        self.memory.set_u16(self.available + 4 + 2 * (self.next_available % self.size), head)
        self.next_available = self.next_available + 1 & 0xffff

    def publish(self, force=False):
        """Shows the device what was added, and notifies it if it wants that."""
        old = self.memory.u16(self.available + 2)
        self.memory.set_u16(self.available + 2, self.next_available)
        with _barrier:
            pass
        if force or self._wants_kick(old, self.next_available):
            self.notify()

    def notify(self):
        self.kicks += 1
        os.eventfd_write(self.kick, 1)

    def _wants_kick(self, old, new):
        if not self.has(Feature.EVENT_IDX):
            return not self.memory.u16(self.used) & NO_NOTIFY
        event = self.memory.u16(self.used + 4 + 8 * self.size)
        return (new - event - 1 & 0xffff) < (new - old & 0xffff)

    # ---- from the device

    def ask_for_calls(self, wanted):
        """Whether the device is to notify of the next used buffer."""
        if self.has(Feature.EVENT_IDX):
            self.memory.set_u16(self.available + 4 + 2 * self.size, self.last_used if wanted else self.last_used - 1)
        else:
            self.memory.set_u16(self.available, 0 if wanted else NO_INTERRUPT)
        with _barrier:
            pass

    def used_index(self):
        return self.memory.u16(self.used + 2)

    def new_used(self):
        count = self.used_index() - self.last_used & 0xffff
        if count > len(self.outstanding):
            self.fault(f"used index {self.used_index()} after {self.last_used} with {len(self.outstanding)} buffers out")
            return 0
        return count

    def take(self, count=1 << 16, batched=False):
        """(head, length, token) of so many buffers that came back. batched: IN_ORDER allows the device to write only the last of a batch."""
        taken, ready = [], self.new_used()
        for n in range(min(ready, count)):
            head, length = self.memory.u32_pair(self.used + 4 + 8 * (self.last_used % self.size))
            expected = self.order[0] if self.has(Feature.IN_ORDER) else head
            if head != expected and (not batched or n == ready - 1):
                self.fault(f"buffer {head} came back in the place of {expected}")
            head = expected
            if head not in self.outstanding:
                self.fault(f"buffer {head} came back, which is not out")
                self.last_used = self.last_used + 1 & 0xffff
                continue
            ids, room, token = self.outstanding.pop(head)
            self.order.popleft() if self.order[0] == head else self.order.remove(head)
            self.free.extend(ids)
            if length > room:
                self.fault(f"{length} octets written into a buffer of {room}")
            self.last_used = self.last_used + 1 & 0xffff
            taken.append((head, length, token))
        return taken

    def wait(self, timeout, also=()):
        """Until the device has used a buffer, or one of the descriptors `also` is readable; False after the time.
        A used buffer without the notification that was asked for is a fault."""
        self.ask_for_calls(True)
        if self.new_used():
            return True
        ready = select.select([self.call, *also], [], [], timeout)[0]
        if self.call not in ready and not ready and self.new_used() and not select.select([self.call], [], [], 0.1)[0]:
            self.fault("a used buffer without a call")
        self.count_calls()
        return bool(ready) or bool(self.new_used())

    def count_calls(self):
        try:
            self.calls += os.eventfd_read(self.call)
        except BlockingIOError:
            pass
        return self.calls


class ReceiveQueue(SplitRing):
    """Buffers for the device, always as many as fit. buffer: octets of each; pieces: descriptors of each."""
    buffers = ()

    def __init__(self, memory, size, features=0, buffer=2048, pieces=1, indirect=False, region=None):
        super().__init__(memory, size, features, region)
        self.buffer, self.pieces, self.indirect, self.header = buffer, pieces, indirect, NET_HEADER.size
        self.count = size if indirect and self.has(Feature.INDIRECT_DESC) else size // pieces
        self.buffers = [self._make() for _ in range(self.count)]
        self.idle = collections.deque(self.buffers)

    def reset(self):
        super().reset()
        self.idle = collections.deque(self.buffers)

    def _make(self):
        start = self.memory.spanning.pop() if self.memory.spanning else self.memory.allocate(self.buffer + len(GUARD), 2)
        self.memory.write(start + self.buffer, GUARD)
        return start

    def _chain(self, start):
        """Descriptors of one buffer: the first holds the header and little else if there are several."""
        first = self.buffer if self.pieces == 1 else max(self.header, self.buffer // (2 * self.pieces))
        edges = [0, first, *(first + (self.buffer - first) * n // (self.pieces - 1) for n in range(1, self.pieces))] if self.pieces > 1 else [0, first]
        return [(start + a, b - a, True) for a, b in zip(edges, edges[1:])]

    def fill(self, count=1 << 16, force=False):
        """Gives the device buffers: all that are not out, or so many."""
        while self.idle and count and self.add(self._chain(self.idle[0]), self.idle[0], self.indirect) is not None:
            self.idle.popleft()
            count -= 1
        self.publish(force)

    def frames(self, refill=True):
        """[(virtio header, frame)] of what came, whole frames only; the buffers go back."""
        found = []
        while ready := self.new_used():
            [(_, length, start)] = self.take(1) or [(0, 0, None)]
            if start is None:
                break
            octets = self._octets(start, length)
            if len(octets) < self.header:
                self.fault(f"a frame of {len(octets)} octets, header included")
                continue
            header, buffers = octets[:self.header], struct.unpack_from("<H", octets, 10)[0]
            if buffers != 1 and not self.has(Feature.MRG_RXBUF) or buffers == 0:
                self.fault(f"a frame in {buffers} buffers")
            elif buffers > ready:
                self.fault(f"a frame in {buffers} buffers, of which {ready} came back at once")
            if self.has(Feature.MRG_RXBUF):
                octets += b"".join(self._octets(s, n) for _, n, s in self.take(min(buffers, ready) - 1))
            found.append((header, octets[self.header:]))
        if found and refill:
            self.refill()
        return found

    def refill(self):
        self.fill()

    def _octets(self, start, length):
        if self.memory.read(start + self.buffer, len(GUARD)) != GUARD:
            self.fault("written behind the buffer")
            self.memory.write(start + self.buffer, GUARD)
        self.idle.append(start)
        return self.memory.read(start, min(length, self.buffer))


class TransmitQueue(SplitRing):
    """Frames for the device, each copied into guest memory first."""
    slots = ()

    def __init__(self, memory, size, features=0, slot=66 * 1024, slots=24, indirect=False, region=None):
        super().__init__(memory, size, features, region)
        self.slot, self.indirect = slot, indirect
        self.slots = [memory.spanning.pop() if memory.spanning else memory.allocate(slot, 2) for n in range(min(slots, size))]
        self.idle = collections.deque(self.slots)

    def reset(self):
        super().reset()
        self.idle = collections.deque(self.slots)

    def reclaim(self):
        for _, length, (start, octets) in self.take(batched=True):
            if length:
                self.fault(f"{length} octets said to be written into a buffer for reading")
            if self.memory.read(start, len(octets)) != octets:
                self.fault("written into a buffer for reading")
            self.idle.append(start)

    def room(self, descriptors, timeout=5):
        """Waits until a frame of so many descriptors can be put into the ring."""
        if descriptors > self.size:
            raise ValueError(f"a ring of {self.size} is too small for {descriptors} descriptors")
        end = time.monotonic() + timeout
        self.reclaim()
        while not self.idle or len(self.free) < descriptors:
            self.publish()
            if time.monotonic() > end or not self.wait(end - time.monotonic()):
                raise TimeoutError("the device does not give back what was sent")
            self.reclaim()
        self.ask_for_calls(False)

    def put(self, frame, header=bytes(NET_HEADER.size), cuts=()):
        """One frame, not yet seen by the device. cuts: where its octets, the header's included, are divided into descriptors."""
        octets = header + frame
        edges = [0, *sorted(c for c in set(cuts) if 0 < c < len(octets)), len(octets)]
        self.room(1 if self.indirect else len(edges) - 1)
        start = self.idle.popleft()
        self.memory.write(start, octets)
        self.add([(start + a, b - a, False) for a, b in zip(edges, edges[1:])], (start, octets), self.indirect)

    def drain(self, timeout=5):
        """Until the device has used everything."""
        end = time.monotonic() + timeout
        self.reclaim()
        while self.outstanding:
            if not self.wait(max(0, end - time.monotonic())):
                raise TimeoutError(f"{len(self.outstanding)} frames are not given back")
            self.reclaim()

    def forget(self):
        """Takes back, as QEMU does while no back-end is there, what was not used: nobody will send it."""
        self.memory.set_u16(self.available + 2, self.next_available)
        while self.order:
            head = self.order[0]
            self.memory.write(self.used + 4 + 8 * (self.used_index() % self.size), struct.pack("<II", head, 0))
            self.memory.set_u16(self.used + 2, self.used_index() + 1)
            self.reclaim()
