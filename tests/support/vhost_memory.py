"""The memory of a machine, as a vhost-user front-end shares it: regions of memfds, with gaps between their guest addresses.

User addresses are names that the front-end gives to its own mapping. The back-end only compares and subtracts them, so those of a
layout are made up, and differ from the guest addresses where the front-end that is played has them differ.
"""
import fcntl
import mmap
import os
import struct

SEAL_SEAL, SEAL_SHRINK, SEAL_GROW = 1, 2, 4
PAGE = 4096
MIB = 1 << 20
SPAN = 80 * 1024


class File:
    """A memfd and our own mapping of it. seals: QEMU sets 7; None makes a memfd that cannot be sealed, like DPDK's without huge pages."""

    def __init__(self, size, seals=SEAL_SEAL | SEAL_SHRINK | SEAL_GROW):
        self.fd = os.memfd_create("guest", os.MFD_CLOEXEC | (os.MFD_ALLOW_SEALING if seals is not None else 0))
        os.ftruncate(self.fd, size)
        if seals:
            fcntl.fcntl(self.fd, fcntl.F_ADD_SEALS, seals)
        self.map = mmap.mmap(self.fd, size)
        self.octets = memoryview(self.map)
        self.words = self.octets.cast("H")      # a single access for each index: struct may write an integer octet by octet

    def close(self):
        if self.fd >= 0:
            self.words.release()
            self.octets.release()
            self.map.close()
            os.close(self.fd)
            self.fd = -1


class Region:
    def __init__(self, file, guest, size, user, offset=0):
        self.file, self.guest, self.size, self.user, self.offset = file, guest, size, user, offset
        self.taken, self.limit = 0, size    # what is free lies between them

    def description(self):
        return self.guest, self.size, self.user, self.offset


class GuestMemory:
    def __init__(self, regions):
        self.regions, self.spanning = regions, []

    def close(self):
        for region in self.regions:
            region.file.close()

    def place(self, guest, length=1):
        """The region of a guest address, and where in its file that is. A range must not leave the region."""
        for region in self.regions:
            if region.guest <= guest and guest + length <= region.guest + region.size:
                return region, region.offset + guest - region.guest
        raise ValueError(f"no guest memory at {guest:#x}, {length} octets")

    def user(self, guest):
        region, _ = self.place(guest)
        return region.user + guest - region.guest

    def pieces(self, guest, length):
        """The parts of a range that may span regions, as views."""
        while length:
            region, at = self.place(guest)
            part = min(length, region.guest + region.size - guest)
            yield region.file.octets[at:at + part]
            guest, length = guest + part, length - part

    def read(self, guest, length):
        return b"".join(self.pieces(guest, length))

    def write(self, guest, octets):
        at = 0
        for piece in self.pieces(guest, len(octets)):
            piece[:] = octets[at:at + len(piece)]
            at += len(piece)

    def u16(self, guest):
        region, at = self.place(guest, 2)
        return region.file.words[at // 2]

    def set_u16(self, guest, value):
        region, at = self.place(guest, 2)
        region.file.words[at // 2] = value & 0xffff

    def u32_pair(self, guest):
        region, at = self.place(guest, 8)
        return struct.unpack_from("<II", region.file.octets, at)

    def allocate(self, size, align=16, region=None):
        """Guest memory that nobody else uses: of the region with the most room, if none is named."""
        if region is None:
            region = max(self.regions, key=lambda r: r.limit - r.taken)
        start = -(-(region.guest + region.taken) // align) * align
        if start + size > region.guest + region.limit:
            raise MemoryError("the guest's memory is full")
        region.taken = start + size - region.guest
        return start

    def descriptions(self):
        return [region.description() for region in self.regions]

    def fds(self):
        return [region.file.fd for region in self.regions]


def qemu_memory(size=12 * MIB):
    """One sealed file, named twice: below the hole of the PC and above it; user addresses are QEMU's."""
    file, user = File(size), 0x7f5a_c000_0000
    return GuestMemory([Region(file, 0, 0xa0000, user), Region(file, 0xc0000, size - 0xc0000, user + 0xc0000, 0xc0000)])


def dpdk_memory(size=12 * MIB):
    """Files without seals; guest addresses are the application's own, and equal its user addresses."""
    first, second = 0x1_0000_0000, 0x7f11_2000_0000
    return GuestMemory([Region(File(2 * MIB, None), first, 2 * MIB, first), Region(File(size - 2 * MIB, None), second, size - 2 * MIB, second)])


def cloud_memory(size=12 * MIB):
    """Memory below and above the gap that ends at 4 GiB, in files of their own."""
    return GuestMemory([Region(File(2 * MIB, 0), 0, 2 * MIB, 0x7f77_0000_0000),
                        Region(File(size - 2 * MIB, 0), 1 << 32, size - 2 * MIB, 0x7f66_0000_0000)])


def touching_memory(size=12 * MIB, count=3, before=700):
    """Regions that follow each other in guest addresses and lie apart in user addresses, in falling order. `spanning` has the starts of
    ranges of SPAN octets that reach from one into the next after so many octets."""
    part = size // count // PAGE * PAGE
    memory = GuestMemory([Region(File(part), 0x100000 + n * part, part, 0x7f55_0000_0000 - n * (part + 16 * PAGE)) for n in range(count)])
    for first, second in zip(memory.regions, memory.regions[1:]):
        first.limit, second.taken = first.size - before, SPAN - before
        memory.spanning.append(second.guest - before)
    return memory
