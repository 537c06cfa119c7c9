"""A vhost-user front-end: plays QEMU, DPDK or cloud-hypervisor towards a back-end, with a driver for each of its queues.

The orders of the messages are those that these programs were seen to use. A ring has an index: the receive queue of pair n is 2n, its
transmit queue 2n + 1.
"""
import os
import random

import vhost_memory
from vhost_messages import (NO_DESCRIPTOR, Closed, Feature, Link, Protocol, Request, bits, log_area, memory_table, names, single_region, u64, vring_addresses,
                            vring_state)
from vhost_ring import ReceiveQueue, TransmitQueue

LOG_PAGE = 4096
ALL_FEATURES, ALL_PROTOCOL = bits(*Feature), bits(*Protocol)
PLAIN = bits(Feature.VERSION_1, Feature.PROTOCOL_FEATURES)
# what programs of today ask for
USUAL_PROTOCOL = bits(Protocol.MQ, Protocol.LOG_SHMFD, Protocol.RARP, Protocol.REPLY_ACK, Protocol.NET_MTU, Protocol.DEVICE_STATE)


class NotOffered(Exception):
    """The back-end lacks what was needed."""


class Order:
    """hello: before the guest runs; start: when its driver is ready; ring: for each ring; end: after the rings; stop likewise.
    acknowledged: which of these ask for an acknowledgement."""

    def __init__(self, memory, hello, start, ring, end, stop, acknowledged=()):
        self.memory, self.acknowledged = memory, acknowledged
        self.hello, self.start, self.ring, self.end, self.stop = (words.split() for words in (hello, start, ring, end, stop))


EVERYTHING = "owner features memory num addr base kick call err enable disable".split()
ORDERS = {
    "qemu": Order(vhost_memory.qemu_memory, "get_features negotiate queues owner call err", "enable features memory", "num base addr kick call", "",
                  "get_base", ("enable",)),
    "dpdk": Order(vhost_memory.dpdk_memory, "owner get_features negotiate", "call features memory", "num base addr kick", "enable", "disable get_base"),
    "cloud": Order(vhost_memory.cloud_memory, "owner get_features negotiate queues", "features memory", "num addr base call kick", "enable",
                   "disable get_base", EVERYTHING),
}


class FrontEnd:
    def __init__(self, connect, *, order="qemu", features=PLAIN, protocol=USUAL_PROTOCOL, size=256, pairs=1, memory=None, slots=False,
                 receive=None, transmit=None, needed=0, needed_protocol=0):
        """connect: the path of the back-end's socket, or a function that gives a connected socket. features: what the guest and we would
        take; what the back-end offers of it is taken. memory: a function that makes it. slots: add regions one by one. receive and transmit:
        further arguments of the queues. needed: features without which there is no point in going on (NotOffered)."""
        self.connect, self.order, self.size, self.pairs, self.slots = connect, ORDERS[order], size, pairs, slots
        self.wanted, self.wanted_protocol, self.needed, self.needed_protocol = features, protocol, needed, needed_protocol
        self.receive_options, self.transmit_options = receive or {}, transmit or {}
        self.memory = (memory or self.order.memory)()
        self.rings, self.errors, self.bases, self.log, self.log_file = [], {}, {}, False, None
        self.link, self.offered, self.offered_protocol, self.features, self.protocol = None, 0, 0, 0, 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        if self.link:
            self.link.close()
        for ring in self.rings:
            ring.close()
        for fd in self.errors.values():
            os.close(fd)
        if self.log_file:
            self.log_file.close()
        self.rings, self.errors, self.log_file = [], {}, None
        self.memory.close()

    # ---- steps of several messages

    def open(self):
        """Connects and says hello; nothing runs yet."""
        self.link = Link(self.connect if isinstance(self.connect, str) else self.connect())
        self._first("owner", "get_features", "negotiate", "queues")
        absent = " ".join((names(Feature, self.needed & ~self.offered), names(Protocol, self.needed_protocol & ~self.offered_protocol))).strip()
        if absent:
            raise NotOffered(absent)
        self._make_rings()
        self._each_ring([word for word in self.order.hello if word in ("call", "err")])
        return self

    def start(self):
        """The guest's driver is ready: all rings run, and the receive queues have buffers."""
        for ring in self.rings:
            if isinstance(ring, ReceiveQueue):
                ring.fill()
        self._run_rings()
        return self

    def stop(self):
        """As at the guest's reset or shutdown; the bases that the back-end reports are kept for a start that goes on."""
        for word in self.order.stop:
            for index in range(len(self.rings)):
                self.step(word, index)

    def reset(self):
        """The guest begins anew with the same connection: rings are empty and start at zero."""
        self.stop()
        for ring in self.rings:
            ring.reset()
        self.bases = {}
        self.start()

    def resume(self):
        """A stopped machine goes on where it was."""
        self._run_rings()

    def reconnect(self, lost=2):
        """Another connection: rings go on at the used index, as QEMU has it. The guest knows nothing of that: what it sends meanwhile, so
        many frames, QEMU takes from the ring, and the receive queues are not notified again."""
        transmit = [ring for ring in self.rings if isinstance(ring, TransmitQueue)]
        for ring in transmit:
            ring.drain()
        self.link.close()
        for ring in transmit:
            for _ in range(min(lost, ring.size)):
                ring.put(bytes(60))
            ring.forget()
        self.bases = {index: ring.used_index() for index, ring in enumerate(self.rings)}
        self.link = Link(self.connect if isinstance(self.connect, str) else self.connect())
        self._first("owner", "get_features", "negotiate", "queues")
        self._each_ring([word for word in self.order.hello if word in ("call", "err")])
        self._run_rings()
        return self

    def _first(self, *words):
        for word in self.order.hello:
            if word in words:
                self.step(word)

    def _each_ring(self, words):
        for index in range(len(self.rings)):
            for word in words:
                self.step(word, index)

    def _run_rings(self):
        for word in self.order.start:
            if word in ("features", "memory"):
                self.step(word)
            else:
                self._each_ring([word])
        self._each_ring(self.order.ring)
        self._each_ring(self.order.end)

    def _make_rings(self):
        where = self.memory.regions[0]
        for _ in range(self.pairs):
            self.rings.append(ReceiveQueue(self.memory, self.size, self.features, region=where, **self.receive_options))
            self.rings.append(TransmitQueue(self.memory, self.size, self.features, region=where, **self.transmit_options))

    # ---- single messages

    def step(self, word, index=0):
        getattr(self, "_" + word)(index)

    def tell(self, word, request, payload=b"", fds=()):
        self.link.tell(request, payload, fds, word in self.order.acknowledged)

    def _owner(self, _):
        self.tell("owner", Request.SET_OWNER)

    def _get_features(self, _):
        self.offered = self.link.ask_u64(Request.GET_FEATURES)
        self.features = self.offered & self.wanted

    def _negotiate(self, _):
        if self.features >> Feature.PROTOCOL_FEATURES & 1:
            self.offered_protocol = self.link.ask_u64(Request.GET_PROTOCOL_FEATURES)
            self.protocol = self.offered_protocol & self.wanted_protocol
            self.link.tell(Request.SET_PROTOCOL_FEATURES, u64(self.protocol))
            self.link.reply_ack = bool(self.protocol >> Protocol.REPLY_ACK & 1)

    def _queues(self, _):
        self.queue_limit = self.link.ask_u64(Request.GET_QUEUE_NUM) if self.protocol >> Protocol.MQ & 1 else 1

    def _features(self, _):
        self.tell("features", Request.SET_FEATURES, u64(self.features | self.log << Feature.LOG_ALL))

    def _memory(self, _):
        if self.slots:
            self.slot_limit = self.link.ask_u64(Request.GET_MAX_MEM_SLOTS)
            for region in self.memory.regions:
                self.add_region(region)
        else:
            self.tell("memory", Request.SET_MEM_TABLE, memory_table(self.memory.descriptions()), self.memory.fds())

    def add_region(self, region):
        self.link.tell(Request.ADD_MEM_REG, single_region(*region.description()), [region.file.fd], True)

    def remove_region(self, region):
        self.link.tell(Request.REM_MEM_REG, single_region(*region.description()), (), True)

    def _num(self, index):
        self.tell("num", Request.SET_VRING_NUM, vring_state(index, self.rings[index].size))

    def _base(self, index):
        self.tell("base", Request.SET_VRING_BASE, vring_state(index, self.bases.get(index, 0)))

    def _addr(self, index):
        ring = self.rings[index]
        table, used, available = (self.memory.user(a) for a in (ring.table, ring.used, ring.available))
        self.tell("addr", Request.SET_VRING_ADDR, vring_addresses(index, int(self.log), table, used, available, ring.used if self.log else 0))

    def _kick(self, index):
        self.tell("kick", Request.SET_VRING_KICK, u64(index), [self.rings[index].kick])

    def _call(self, index, masked=False):
        self.tell("call", Request.SET_VRING_CALL, u64(index | (NO_DESCRIPTOR if masked else 0)), [] if masked else [self.rings[index].call])

    def _err(self, index):
        if index not in self.errors:
            self.errors[index] = os.eventfd(0, os.EFD_NONBLOCK)
        self.tell("err", Request.SET_VRING_ERR, u64(index), [self.errors[index]])

    def _enable(self, index, on=1):
        self.tell("enable", Request.SET_VRING_ENABLE, vring_state(index, on))

    def _disable(self, index):
        self._enable(index, 0)

    def _get_base(self, index):
        """DPDK does not initialize the number, which the request does not use."""
        answer = self.link.ask(Request.GET_VRING_BASE, vring_state(index, random.getrandbits(32)))
        base = int.from_bytes(answer[4:8], "little")
        ring = self.rings[index]
        if answer[:4] != index.to_bytes(4, "little") or len(answer) != 8 or base != ring.used_index():
            ring.fault(f"stopped at {answer.hex()}, with ring {index} at {ring.used_index()} of {ring.next_available}")
        self.bases[index] = base

    # ---- what happens while rings run

    def mask_call(self, index):
        """The guest masks the interrupt: the back-end gets a call descriptor that nobody looks at."""
        with_nobody = os.eventfd(0)
        self.tell("call", Request.SET_VRING_CALL, u64(index), [with_nobody])
        os.close(with_nobody)

    def unmask_call(self, index):
        self._call(index)

    def enable_pair(self, pair, on):
        for index in (2 * pair, 2 * pair + 1):
            self._enable(index, int(on))

    def start_log(self):
        """Every page that the back-end writes is to be marked from now on."""
        size = max(r.guest + r.size for r in self.memory.regions) // LOG_PAGE // 8 + 1
        self.log_file = vhost_memory.File(-(-size // LOG_PAGE) * LOG_PAGE, None)
        self.log_answer = self.link.ask(Request.SET_LOG_BASE, log_area(len(self.log_file.octets)), [self.log_file.fd])
        self._log_to(True)

    def stop_log(self):
        self._log_to(False)

    def _log_to(self, on):
        self.log = on
        self._features(0)
        for index in range(len(self.rings)):
            self._addr(index)

    def dirty(self, guest):
        """Whether the page of a guest address is marked."""
        page = guest // LOG_PAGE
        return bool(self.log_file.octets[page // 8] >> page % 8 & 1)

    def ended(self, timeout=2):
        """Whether the back-end ends the connection in time."""
        try:
            return self.link.ended(timeout)
        except (Closed, OSError):
            return True

    def faults(self):
        return [f"ring {index}: {fault}" for index, ring in enumerate(self.rings) for fault in ring.faults]

    def errors_told(self):
        """The rings whose error descriptor was written to."""
        told = []
        for index, fd in self.errors.items():
            try:
                os.eventfd_read(fd)
                told.append(index)
            except BlockingIOError:
                pass
        return told
