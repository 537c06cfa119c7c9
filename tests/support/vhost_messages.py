"""The messages of vhost-user, from the front-end's side: a header of twelve octets, a payload, descriptors beside them.

    request u32 | flags u32: version 1, REPLY 4, NEED_REPLY 8 | size u32 | payload      all little-endian

Every operation has a time limit, and the end of the other side is the exception Closed, whatever the kernel calls it.
"""
import array
import enum
import os
import select
import socket
import struct
import time

VERSION, REPLY, NEED_REPLY = 1, 4, 8
NO_DESCRIPTOR = 1 << 8      # in the payload of SET_VRING_KICK, CALL and ERR
HEADER = struct.Struct("<III")


class Request(enum.IntEnum):
    GET_FEATURES, SET_FEATURES, SET_OWNER, RESET_OWNER, SET_MEM_TABLE, SET_LOG_BASE, SET_LOG_FD = range(1, 8)
    SET_VRING_NUM, SET_VRING_ADDR, SET_VRING_BASE, GET_VRING_BASE, SET_VRING_KICK, SET_VRING_CALL, SET_VRING_ERR = range(8, 15)
    GET_PROTOCOL_FEATURES, SET_PROTOCOL_FEATURES, GET_QUEUE_NUM, SET_VRING_ENABLE, SEND_RARP, NET_SET_MTU = range(15, 21)
    SET_BACKEND_REQ_FD, IOTLB_MSG, SET_VRING_ENDIAN, GET_CONFIG, SET_CONFIG, CREATE_CRYPTO_SESSION, CLOSE_CRYPTO_SESSION = range(21, 28)
    POSTCOPY_ADVISE, POSTCOPY_LISTEN, POSTCOPY_END, GET_INFLIGHT_FD, SET_INFLIGHT_FD, GPU_SET_SOCKET, RESET_DEVICE = range(28, 35)
    VRING_KICK, GET_MAX_MEM_SLOTS, ADD_MEM_REG, REM_MEM_REG, SET_STATUS, GET_STATUS, GET_SHARED_OBJECT = range(35, 42)
    SET_DEVICE_STATE_FD, CHECK_DEVICE_STATE = range(42, 44)


class Feature(enum.IntEnum):
    """Bits of GET_FEATURES."""
    CSUM, GUEST_CSUM, MTU, GUEST_TSO4, GUEST_TSO6, GUEST_ECN, HOST_TSO4, HOST_TSO6, HOST_ECN = 0, 1, 3, 7, 8, 9, 11, 12, 13
    MRG_RXBUF, CTRL_VQ, GUEST_ANNOUNCE, MQ, LOG_ALL, INDIRECT_DESC, EVENT_IDX, PROTOCOL_FEATURES = 15, 17, 21, 22, 26, 28, 29, 30
    VERSION_1, IN_ORDER, GUEST_USO4, GUEST_USO6, HOST_USO = 32, 35, 54, 55, 56


class Protocol(enum.IntEnum):
    """Bits of GET_PROTOCOL_FEATURES."""
    MQ, LOG_SHMFD, RARP, REPLY_ACK, NET_MTU, BACKEND_REQ, CROSS_ENDIAN, CRYPTO_SESSION, PAGEFAULT, CONFIG = range(10)
    BACKEND_SEND_FD, HOST_NOTIFIER, INFLIGHT_SHMFD, RESET_DEVICE, INBAND_NOTIFICATIONS, CONFIGURE_MEM_SLOTS, STATUS = range(10, 17)
    SHARED_OBJECT, DEVICE_STATE = 18, 19


def bits(*numbers):
    return sum(1 << number for number in set(numbers))


def names(kind, mask):
    return " ".join(bit.name for bit in kind if mask >> bit & 1)


class Closed(Exception):
    """The other side ended the connection."""


class Refused(Exception):
    """The other side answered a request with an error."""


class Link:
    """A connection to a back-end."""

    def __init__(self, connection, timeout=5):
        """connection: a connected socket, or the path of the back-end's."""
        if isinstance(connection, str):
            path, connection = connection, socket.socket(socket.AF_UNIX)
            connection.settimeout(timeout)
            connection.connect(path)
        self.socket, self.timeout, self.reply_ack = connection, timeout, False
        connection.settimeout(timeout)

    def close(self):
        self.socket.close()

    def send_octets(self, octets, fds=()):
        """Octets that need not be a message."""
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
        try:
            sent = self.socket.sendmsg([octets], rights)
            if sent < len(octets):
                self.socket.sendall(octets[sent:])
        except (BrokenPipeError, ConnectionError):
            raise Closed() from None

    def send(self, request, payload=b"", fds=(), flags=VERSION, size=None):
        self.send_octets(HEADER.pack(request, flags, len(payload) if size is None else size) + payload, fds)

    def _octets(self, count, fds):
        data = b""
        while len(data) < count:
            try:
                more, ancillary, _, _ = self.socket.recvmsg(count - len(data), 4096)
            except ConnectionError:
                raise Closed() from None
            for level, kind, rights in ancillary:
                if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
                    fds.extend(array.array("i", rights[:len(rights) // 4 * 4]))
            if not more:
                raise Closed()
            data += more
        return data

    def reply(self, request):
        """The payload of the reply to a request; descriptors that came with it are in `received`."""
        self.received = []
        number, flags, size = HEADER.unpack(self._octets(HEADER.size, self.received))
        payload = self._octets(size, self.received) if size else b""
        if (number, flags & (3 | REPLY)) != (request, VERSION | REPLY):
            raise AssertionError(f"reply to request {request}: number {number}, flags {flags:#x}, {payload.hex()}")
        return payload

    def ask(self, request, payload=b"", fds=(), flags=VERSION):
        """The payload of the reply to a request that has one of its own."""
        self.send(request, payload, fds, flags)
        return self.reply(request)

    def ask_u64(self, request, payload=b""):
        answer = self.ask(request, payload)
        if len(answer) != 8:
            raise AssertionError(f"reply to request {request} of {len(answer)} octets")
        return struct.unpack("<Q", answer)[0]

    def acknowledgement(self, request, payload=b"", fds=()):
        """The value of the reply that NEED_REPLY asks for."""
        answer = self.ask(request, payload, fds, VERSION | NEED_REPLY)
        if len(answer) != 8:
            raise AssertionError(f"acknowledgement of request {request} of {len(answer)} octets")
        return struct.unpack("<Q", answer)[0]

    def tell(self, request, payload=b"", fds=(), acknowledged=False):
        """A request without a reply of its own; with an acknowledgement if that is wanted and was negotiated."""
        if not (acknowledged and self.reply_ack):
            self.send(request, payload, fds)
        elif value := self.acknowledgement(request, payload, fds):
            raise Refused(f"{Request(request).name}: {value}")

    def ended(self, timeout):
        """True if the other side ends the connection within the time; what it still sends is read."""
        end = time.monotonic() + timeout
        while (left := end - time.monotonic()) > 0 and select.select([self.socket], [], [], left)[0]:
            try:
                data, ancillary, _, _ = self.socket.recvmsg(4096, 4096)
            except ConnectionError:
                return True
            for _, _, rights in ancillary:
                for fd in array.array("i", rights[:len(rights) // 4 * 4]):
                    os.close(fd)
            if not data:
                return True
        return False


def u64(value):
    return struct.pack("<Q", value & (1 << 64) - 1)


def vring_state(index, number):
    """The payload of SET_VRING_NUM, SET_VRING_BASE, SET_VRING_ENABLE and GET_VRING_BASE."""
    return struct.pack("<II", index, number & 0xffffffff)


def vring_addresses(index, flags, table, used, available, log):
    """The payload of SET_VRING_ADDR: user addresses, and a guest address for the log."""
    return struct.pack("<IIQQQQ", index, flags, table, used, available, log)


def memory_region(guest, size, user, offset):
    return struct.pack("<QQQQ", guest, size, user, offset)


def memory_table(regions, count=None):
    """The payload of SET_MEM_TABLE for regions as (guest address, size, user address, offset in the file)."""
    return struct.pack("<II", len(regions) if count is None else count, 0) + b"".join(memory_region(*r) for r in regions)


def single_region(guest, size, user, offset):
    """The payload of ADD_MEM_REG and REM_MEM_REG."""
    return bytes(8) + memory_region(guest, size, user, offset)


def log_area(size, offset=0):
    return struct.pack("<QQ", size, offset)
