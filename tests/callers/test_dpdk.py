#!/usr/bin/env python3
"""DPDK of Debian 13 as a vhost-user front-end: its testpmd with virtio_user, without huge pages, sends rubbish on two pairs of queues."""
import os
import random
import struct
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import debian13
import frames
from guests import statuses
from hosts import HOST4, REMOTE4, ROUTER4, wait_until
from passt import Passt
from vhost_case import OnVhost
from vhost_guest import VhostGuest

TESTPMD = "/usr/bin/dpdk-testpmd"
WANTED = 200_000


def missing():
    for path in (TESTPMD, "/usr/lib/x86_64-linux-gnu/librte_net_pcap.so.25"):
        if not os.path.exists(debian13.TREE + path):
            return f"needs {path} in {debian13.TREE}, which an older tests/callers/debian13.sh did not install"
    return ""


def rubbish(seed):
    """Frames that are no frames at all, and such as begin well, of up to 1514 octets."""
    dice = random.Random(seed)
    good = [frames.arp_request(ROUTER4, HOST4), frames.echo_request(HOST4, REMOTE4, 1)]
    for n in range(1000):
        noise = dice.randbytes(dice.randint(14, 1514))
        if n % 2:
            beginning = bytearray(dice.choice(good))
            for _ in range(dice.randint(1, 4)):
                beginning[dice.randrange(12, len(beginning))] = dice.randrange(256)
            noise = bytes(beginning) + noise[:1400]
        yield noise


def write_capture(path, packets):
    with open(path, "wb") as f:
        f.write(struct.pack("<IHHiIII", 0xa1b2c3d4, 2, 4, 0, 0, 65535, 1))
        for packet in packets:
            f.write(struct.pack("<IIII", 0, 0, len(packet), len(packet)) + packet)


class Testpmd(OnVhost, unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.system = debian13.Debian13(cls.host)

    @classmethod
    def tearDownClass(cls):
        cls.system.close()
        super().tearDownClass()

    @classmethod
    def start_daemon(cls):
        cls.daemon = Passt(cls.host, "--vhost-user", "--workers", "2", "-m", "1500")

    def start(self, options):
        """What it reads from files it writes to the card, as fast as it can."""
        captures = []
        for queue in range(2):
            captures.append(f"{self.host.dir}/rubbish{queue}.pcap")
            write_capture(captures[-1], rubbish(queue))
        source = ",".join([f"rx_pcap={c}" for c in captures] + ["tx_pcap=/dev/null"] * 2)
        log_path = f"{self.host.dir}/testpmd.log"
        with open(log_path, "w") as log:
            process = self.system.popen(TESTPMD, "--no-huge", "--no-shconf", "--no-pci", "--no-telemetry", "-m", "128", "-l", "0,1",
                                        "--vdev", f"net_pcap0,{source},infinite_rx=1", "--vdev", f"net_virtio_user0,path={self.daemon.path},{options}",
                                        "--", "-i", "--rxq=2", "--txq=2", "--nb-cores=1", "--total-num-mbufs=8192", "--forward-mode=io",
                                        stdin=subprocess.PIPE, stdout=log, stderr=log, uid=None)
        self.addCleanup(process.kill)
        return process, log_path

    def test_rubbish_is_counted_and_nothing_else_happens(self):
        for options in ("queues=2,mrg_rxbuf=0,in_order=1", "queues=2,mrg_rxbuf=1,in_order=0,queue_size=1024", "queues=2,mrg_rxbuf=0,in_order=0,vectorized=1"):
            with self.subTest(options=options):
                before = self.daemon.counters()[0]["frames_from_guest"]
                process, log_path = self.start(options)
                process.stdin.write("start\n")
                process.stdin.flush()

                def came():
                    if process.poll() is not None:
                        with open(log_path, errors="replace") as f:
                            raise AssertionError(f"testpmd ended: {f.read()[-2000:]}")
                    return self.daemon.counters()[0]["frames_from_guest"] - before >= WANTED
                wait_until(came, f"{WANTED} frames; {self.daemon.counters()}", 60)
                _, workers = self.daemon.counters()
                print({n: w["frames_from_guest"] for n, w in workers.items()}, next(statuses(self.daemon.pid))["RssAnon"].strip(), file=sys.stderr)
                self.assertGreater(min(w["frames_from_guest"] for w in workers.values()), 0)
                process.stdin.write("stop\nquit\n")
                process.stdin.flush()
                process.wait(30)
                self.assertIsNone(self.daemon.process.poll(), self.daemon.log())
                self.serves_another()

    def serves_another(self):
        with self.open_front() as front:
            front.start()
            answer = VhostGuest(front).ask(frames.arp_request(ROUTER4, HOST4), frames.is_arp_reply, 2)
            self.assertIsNotNone(answer, self.daemon.log())


if __name__ == "__main__":
    debian13.main(missing)
