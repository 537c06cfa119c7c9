#!/usr/bin/env python3
"""passt's vhost-user, with a front-end of our own in the place of QEMU, DPDK or cloud-hypervisor: every order of start, ring size and set of
features carries ARP, DHCP, UDP and TCP, and each frame that arrives is what was negotiated. What the binary does not offer is skipped by name.
"""
import hashlib
import itertools
import os
import struct
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import frames
import netns_test
import vhost_memory
from hosts import HOST4, HOST6, REMOTE4, REMOTE6, ROUTER4
from services import PATTERN
from vhost_case import OnVhost
from vhost_front import ORDERS, PLAIN, USUAL_PROTOCOL, NotOffered
from vhost_guest import Connection, VhostGuest, gso_header, partial_header, virtio_header
from vhost_messages import Feature, Protocol, bits

LENGTH = 200_000
SUPER = 8 * 1440        # the payload of a segment with offload: whole segments in either family
SIZES = (64, 256, 1024)
LINUX = ("CSUM GUEST_CSUM MTU GUEST_TSO4 GUEST_TSO6 GUEST_ECN HOST_TSO4 HOST_TSO6 HOST_ECN MRG_RXBUF CTRL_VQ GUEST_ANNOUNCE MQ INDIRECT_DESC EVENT_IDX "
         "GUEST_USO4 GUEST_USO6 HOST_USO")
# beside VERSION_1, which iPXE takes alone
SETS = {
    "version_1_only": "", "csum": "CSUM", "guest_csum": "GUEST_CSUM", "both_csums": "CSUM GUEST_CSUM", "mtu": "MTU", "mrg_rxbuf": "MRG_RXBUF",
    "indirect": "INDIRECT_DESC", "event_idx": "EVENT_IDX", "in_order": "IN_ORDER", "mrg_event_idx": "MRG_RXBUF EVENT_IDX",
    "mrg_indirect": "MRG_RXBUF INDIRECT_DESC", "mrg_in_order": "MRG_RXBUF IN_ORDER EVENT_IDX INDIRECT_DESC", "mrg_guest_csum": "MRG_RXBUF GUEST_CSUM",
    "guest_tso4": "GUEST_CSUM GUEST_TSO4", "guest_tso6": "GUEST_CSUM GUEST_TSO6", "guest_ecn": "GUEST_CSUM GUEST_TSO4 GUEST_TSO6 GUEST_ECN",
    "guest_tso_merged": "GUEST_CSUM GUEST_TSO4 GUEST_TSO6 MRG_RXBUF", "guest_uso": "GUEST_CSUM GUEST_USO4 GUEST_USO6 MRG_RXBUF",
    "host_tso4": "CSUM HOST_TSO4", "host_tso6": "CSUM HOST_TSO6", "host_ecn": "CSUM HOST_TSO4 HOST_TSO6 HOST_ECN", "host_uso": "CSUM HOST_USO",
    "all_offloads_unmerged": LINUX.replace("MRG_RXBUF ", ""), "linux": LINUX, "everything": LINUX + " IN_ORDER",
}
ports = itertools.count(20000)


def mask(words):
    return PLAIN | bits(*(Feature[word] for word in words.split()))


def receive_options(features, size):
    """Buffers as drivers have them: small ones where frames are merged, else what the largest frame needs."""
    large = bits(Feature.GUEST_TSO4, Feature.GUEST_TSO6, Feature.GUEST_USO4, Feature.GUEST_USO6)
    buffer = 1536 if features >> Feature.MRG_RXBUF & 1 else 65568 if features & large else 1526
    return {"buffer": buffer, "indirect": True, "pieces": 1}


class Vhost(OnVhost, unittest.TestCase):
    def setUp(self):
        if not self.alive():      # the test before has failed for that
            self.start_daemon()
        self.front = None

    def tearDown(self):
        if self.front:
            self.front.close()
        self.assertTrue(self.alive(), f"the daemon ended: {self.daemon.log()[-500:]}")

    def opened(self, features=PLAIN, protocol=(), **options):
        """A front-end that has all that it asks for; else the test is skipped."""
        if self.front:      # of a part of the test that failed
            self.front.close()
        size, room = options.get("size", 256), 16 * vhost_memory.MIB
        options.setdefault("receive", receive_options(features, size))
        layout = options.pop("memory", ORDERS[options.get("order", "qemu")].memory)
        room += size * (options["receive"].get("buffer", 2048) + 64)
        wanted = USUAL_PROTOCOL | bits(*protocol)
        try:
            self.front = self.open_front(features=features, protocol=wanted, memory=lambda: layout(room // 4096 * 4096),
                                         needed=features, needed_protocol=bits(*protocol), **options)
        except NotOffered as absent:
            self.skipTest(f"not offered: {absent}")
        return self.front

    def started(self, *args, **options):
        return VhostGuest(self.opened(*args, **options).start())

    # ---- what each of them has to carry

    def assert_answers(self, guest):
        self.assertIsNotNone(guest.ask(frames.arp_request(ROUTER4, HOST4), frames.is_arp_reply), self.daemon.log()[-500:])

    def echo(self, guest, source=HOST4, target=REMOTE4, count=20, size=500, cuts=()):
        port = next(ports)
        sent = {struct.pack("!I", n) + PATTERN[:size - 4] for n in range(count)}
        partial = guest.has(Feature.CSUM)
        built = [frames.udp(source, port, target, 7, payload, partial) for payload in sorted(sent)]
        guest.send_marked(*((partial_header(frame) if partial else bytes(12), frame) for frame in built), cuts=cuts)
        back = guest.collect(count, 5, lambda frame: frames.udp_payload(frame, port) is not None)
        got = {frames.udp_payload(frame, port) for frame in back}
        self.assertEqual((len(got & sent), len(got - sent)), (count, 0), "echoes as sent, and others")

    def super_datagram(self, guest, source, target):
        """One frame that leaves as many datagrams."""
        port, size = next(ports), 1000
        payload = b"".join(struct.pack("!I", n) + PATTERN[:size - 4] for n in range(12))
        frame = frames.udp(source, port, target, 7, payload, partial=True)
        guest.send_marked((gso_header(frame, size), frame))
        back, end = b"", time.monotonic() + 5
        while len(back) < len(payload) and (got := guest.collect(1, max(0, end - time.monotonic()), lambda f: frames.udp_payload(f, port) is not None)):
            back += frames.udp_payload(got[0], port)
        self.assertEqual(sorted(back[n:n + size] for n in range(0, len(back), size)), sorted(payload[n:n + size] for n in range(0, len(payload), size)))

    def transfer(self, guest, source=HOST4, target=REMOTE4, length=LENGTH):
        """An upload and a download, as large in a segment as was negotiated."""
        offload = guest.has(Feature.CSUM, Feature.HOST_TSO6 if ":" in source else Feature.HOST_TSO4)
        options = {"most": SUPER if offload else 0, "partial": guest.has(Feature.CSUM)}
        upload = Connection(guest, source, next(ports), target, 9, **options)
        self.assertTrue(upload.send(PATTERN[:length], finish=True))
        self.assertEqual(upload.receive().split(), [b"%d" % length, hashlib.sha256(PATTERN[:length]).hexdigest().encode()])
        download = Connection(guest, source, next(ports), target, 19, **options)
        download.send(b"%d\n" % length)
        self.assertEqual(hashlib.sha256(download.receive()).digest(), hashlib.sha256(PATTERN[:length]).digest())
        self.assertTrue(download.send(b"", finish=True))

    def carry(self, guest, length=LENGTH):
        self.assert_answers(guest)
        self.assertIsNotNone(guest.ask(frames.dhcp_discover(), frames.is_dhcp_offer))
        for source, target in ((HOST4, REMOTE4), (HOST6, REMOTE6)):
            self.assertIsNotNone(guest.ask(frames.echo_request(source, target, 1), frames.is_echo_reply))
            self.echo(guest, source, target)
            if guest.has(Feature.CSUM, Feature.HOST_USO):
                self.super_datagram(guest, source, target)
            self.transfer(guest, source, target, length)

    def finish(self, guest):
        guest.outgoing.drain()
        self.front.stop()
        self.assertEqual(guest.faults, [])

    def combination(self, order, size, words):
        guest = self.started(mask(words), order=order, size=size)
        self.carry(guest)
        if guest.has(Feature.GUEST_CSUM, Feature.GUEST_TSO4, Feature.GUEST_TSO6):
            self.assertTrue(guest.kinds["gso 1"] and guest.kinds["gso 4"], f"no super-frames: {guest.kinds}")
        self.finish(guest)

    # ---- layouts of frames and memory

    def test_any_division_into_descriptors_is_one_frame(self):
        guest = self.started(size=64, receive={"buffer": 2048, "pieces": 4})
        for cuts in ((12,), (1,), (11,), (12, 26), (12, 26, 46, 54), range(1, 30), (13, 100, 300), range(8, 500, 17), (5, 12, 13, 400)):
            with self.subTest(cuts=list(cuts)):
                self.echo(guest, count=3, cuts=cuts)
                self.echo(guest, HOST6, REMOTE6, count=1, cuts=cuts)
        self.finish(guest)

    def test_indirect_tables_are_read(self):
        guest = self.started(mask("INDIRECT_DESC MRG_RXBUF"), size=64, receive={"buffer": 1024, "pieces": 3, "indirect": True}, transmit={"indirect": True})
        for cuts in ((12,), range(1, 60), (12, 26, 46, 54)):
            self.echo(guest, count=10, cuts=cuts)
        self.transfer(guest)
        self.finish(guest)

    def test_small_buffers_are_merged(self):
        for buffer in (128, 256, 700):
            with self.subTest(buffer=buffer):
                guest = self.started(mask("MRG_RXBUF"), receive={"buffer": buffer})
                self.echo(guest, size=1400)
                self.transfer(guest)
                self.finish(guest)
                self.front.close()

    def test_buffers_that_span_regions_are_whole(self):
        for count in (2, 3, 8):
            with self.subTest(regions=count):
                guest = self.started(memory=lambda size: vhost_memory.touching_memory(size, count), size=64)
                for _ in range(10):     # fewer at a time than the ring takes: what finds no buffer may be dropped
                    self.echo(guest, count=20, size=1400)
                self.finish(guest)
                self.front.close()

    def test_rings_of_few_descriptors_carry_on(self):
        for size in (2, 4, 8, 16, 32):
            with self.subTest(size=size):
                guest = self.started(size=size, receive={"buffer": 2048})
                guest.drain()   # the greeting fills two of them
                for _ in range(5):
                    self.assert_answers(guest)
                self.finish(guest)
                self.front.close()

    def test_a_frame_without_room_for_it_is_dropped_and_no_other(self):
        guest = self.started(receive={"buffer": 300})
        guest.send(frames.udp(HOST4, 5000, REMOTE4, 7, bytes(1000)))
        self.assertEqual(guest.collect(1, 0.3, lambda frame: frames.udp_payload(frame, 5000)), [])
        self.assert_answers(guest)
        self.finish(guest)

    # ---- life

    def test_the_guest_begins_anew(self):
        for order in ORDERS:
            with self.subTest(order=order):
                guest = self.started(order=order)
                for _ in range(3):
                    self.carry(guest, 20_000)
                    self.front.reset()
                    guest.pending.clear()
                self.finish(guest)
                self.front.close()

    def test_a_machine_that_was_stopped_goes_on(self):
        guest = self.started()
        for _ in range(5):
            self.echo(guest)
            self.front.stop()
            self.front.resume()
        self.finish(guest)

    def reconnected(self, order, words):
        guest = self.started(mask(words), order=order)
        for _ in range(3):
            self.echo(guest)
            self.again()
        self.carry(guest, 20_000)
        self.finish(guest)

    def again(self):
        self.patiently(self.front.reconnect)

    def test_a_connection_outlives_the_front_end(self):
        guest = self.started()
        connection = Connection(guest, HOST4, next(ports), REMOTE4, 7)
        for _ in range(3):
            connection.send(b"hello")
            self.assertEqual(connection.receive(5), b"hello")
            self.again()
        self.finish(guest)

    def test_a_masked_interrupt_is_made_up_for(self):
        guest = self.started()
        for _ in range(5):
            self.echo(guest)
            self.front.mask_call(0)
            self.front.unmask_call(0)
        self.finish(guest)

    def test_a_ring_that_is_not_enabled_rests(self):
        guest = self.started(order="dpdk")
        self.front.enable_pair(0, False)
        self.assertIsNone(guest.ask(frames.arp_request(ROUTER4, HOST4), frames.is_arp_reply, 0.3))
        self.front.enable_pair(0, True)
        self.assertIsNotNone(next(iter(guest.collect(1, 2, frames.is_arp_reply)), None))
        self.finish(guest)

    def test_each_pair_of_queues_has_its_answers(self):
        front = self.opened(mask("MQ MRG_RXBUF"), (Protocol.MQ,), pairs=4)
        self.assertGreaterEqual(front.queue_limit, 4)
        front.start()
        for pair in range(4):
            front.enable_pair(pair, True)
        guests = [VhostGuest(front, pair) for pair in range(4)]
        for guest in guests:
            self.assert_answers(guest)
            self.echo(guest)
        self.finish(guests[0])

    def test_every_page_that_is_written_is_marked(self):
        guest = self.started(mask("MRG_RXBUF"), (Protocol.LOG_SHMFD,))
        self.echo(guest)
        if not self.front.offered >> Feature.LOG_ALL & 1:
            self.skipTest("not offered: LOG_ALL")
        self.front.start_log()
        out = guest.incoming.last_used
        self.echo(guest, count=50, size=1400)
        self.front.stop()
        ring = guest.incoming
        for start in ring.buffers[out % ring.size:][:50]:
            self.assertTrue(self.front.dirty(start), hex(start))
        for ring in self.front.rings:
            self.assertTrue(self.front.dirty(ring.used), "the used ring")
        self.assertEqual(self.front.log_answer, b"")
        self.assertEqual(guest.faults, [])

    def test_memory_is_added_and_removed_region_by_region(self):
        guest = self.started(protocol=(Protocol.CONFIGURE_MEM_SLOTS,), slots=True)
        self.assertGreaterEqual(self.front.slot_limit, 8)
        self.carry(guest, 20_000)
        file = vhost_memory.File(vhost_memory.MIB)
        more = vhost_memory.Region(file, 1 << 40, vhost_memory.MIB, 1 << 45)
        for _ in range(20):
            self.front.add_region(more)
            self.assert_answers(guest)
            self.front.remove_region(more)
            self.assert_answers(guest)
        file.close()
        self.finish(guest)

    def test_a_checksum_left_to_us_is_completed_wherever_it_lies(self):
        guest = self.started(mask("CSUM"))
        for cuts in ((), (12,), range(1, 54)):
            self.echo(guest, cuts=cuts)
        guest.send_marked((virtio_header(1, start=34, offset=4000), frames.udp(HOST4, 5000, REMOTE4, 7, b"?", True)))
        self.assert_answers(guest)
        self.finish(guest)

    def test_calls_are_fewer_than_frames(self):
        guest = self.started(mask("MRG_RXBUF"))
        self.echo(guest)
        before = guest.incoming.count_calls()
        self.echo(guest, count=20)
        self.assertLess(guest.incoming.count_calls() - before, 25)
        self.finish(guest)


def named(order, size, words):
    return lambda self: self.combination(order, size, words)


for order, size, (name, words) in itertools.product(ORDERS, SIZES, SETS.items()):
    setattr(Vhost, f"test_{order}_{size}_{name}", named(order, size, words))

def reconnection(order, words):
    return lambda self: self.reconnected(order, words)


for order, (name, words) in itertools.product(ORDERS, {"plainly": "", "with_merged_buffers": "MRG_RXBUF", "in_order": "EVENT_IDX IN_ORDER"}.items()):
    setattr(Vhost, f"test_{order}_goes_on_with_another_connection_{name}", reconnection(order, words))

if __name__ == "__main__":
    netns_test.main()
