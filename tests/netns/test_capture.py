#!/usr/bin/env python3
"""Captures that begin and end while an instance runs (tapioca capture): what was asked for and nothing else, drops with their reason,
and no harm to the guest, whatever a client does."""
import array
import json
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import cleanup
import netns_test
import pcapng
from guests import Daemon, Guest
from hosts import PYTHON, REMOTE4, REMOTE6, USER, SimulatedHost, wait_until

# Sends frames as they are, of hexadecimal digits.
SEND_FRAMES = """import socket, sys
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
s.bind((sys.argv[1], 0))
for frame in sys.argv[2:]:
    s.send(bytes.fromhex(frame))
"""
DISCOVER = """import sys
from scapy.all import BOOTP, DHCP, IP, UDP, Ether, get_if_hwaddr, sendp
mac = get_if_hwaddr(sys.argv[1])
sendp(Ether(src=mac, dst="ff:ff:ff:ff:ff:ff") / IP(src="0.0.0.0", dst="255.255.255.255") / UDP(sport=68, dport=67)
      / BOOTP(chaddr=bytes.fromhex(mac.replace(":", "")), xid=7) / DHCP(options=[("message-type", "discover"), "end"]), iface=sys.argv[1], verbose=False)
"""
GET = "import urllib.request, sys; print(len(urllib.request.urlopen('http://' + sys.argv[1] + '/', timeout=10).read()))"
# Sends so many octets to the service that takes everything, and prints the seconds.
BULK = """import socket, sys, time
began, c, left = time.monotonic(), socket.create_connection((sys.argv[1], 9), 10), int(sys.argv[2])
block = bytes(1 << 20)
while left > 0:
    c.sendall(block)
    left -= len(block)
c.shutdown(socket.SHUT_WR)
c.recv(1000)
print(time.monotonic() - began)
"""
ACCEPT_ALL = "AAYAAAAEAAA="


def call(method, more=True, **parameters):
    return json.dumps({"method": "io.github.tapioca.Control." + method, "parameters": parameters, "more": more}).encode() + b"\0"


class Capture(unittest.TestCase):
    workers = 1

    @classmethod
    def setUpClass(cls):
        cls.host = SimulatedHost()
        cls.host.start_services()
        cls.guest = Guest(cls.host)
        cls.path, cls.pcap = f"{cls.host.dir}/control", f"{cls.host.dir}/all.pcap"
        os.chmod(cls.host.dir, stat.S_IMODE(os.stat(cls.host.dir).st_mode) | 0o777)
        cls.daemon = Daemon(cls.guest, "--control", cls.path, "--pcap", cls.pcap, "--workers", cls.workers)
        cls.link = next(link["ifname"] for link in json.loads(cls.guest.run("ip", "-j", "link").stdout) if link["ifname"] != "lo")
        cls.files = 0

    @classmethod
    def tearDownClass(cls):
        cls.daemon.stop()
        cls.host.close()

    def setUp(self):
        self.before = self.descriptors()

    def tearDown(self):
        self.doCleanups()
        self.assertIsNone(self.daemon.process.poll(), self.daemon.log())
        wait_until(lambda: self.descriptors() <= self.before, "return of the descriptors")

    def descriptors(self):
        """How many the daemon has, without the sockets of flows."""
        of_flows = set()
        for table in ("tcp", "tcp6", "udp", "udp6", "icmp", "icmp6"):
            with open(f"/proc/{self.daemon.pid}/net/{table}") as f:
                of_flows |= {f"socket:[{line.split()[9]}]" for line in f.readlines()[1:]}
        found = 0
        for fd in os.listdir(f"/proc/{self.daemon.pid}/fd"):
            try:
                found += os.readlink(f"/proc/{self.daemon.pid}/fd/{fd}") not in of_flows
            except FileNotFoundError:
                pass
        return found

    def begin(self, *words, to_file=True, **options):
        """A capture that has begun, and where it goes."""
        type(self).files += 1
        name = f"{self.host.dir}/capture{self.files}"
        target = ("-w", name) if to_file else ()
        options.setdefault("stdout", subprocess.PIPE)
        process = self.host.popen(self.host.binary("tapioca"), "capture", "--control", self.path, *target, *words, uid=USER, stderr=subprocess.PIPE,
                                  **options)
        self.addCleanup(cleanup.end_process, process)
        self.assertEqual(process.stderr.readline(), "capturing\n", process.stderr)
        return process, name

    def end(self, process, name):
        process.send_signal(signal.SIGINT)
        said = process.communicate(timeout=20)
        self.assertEqual(process.returncode, 0, said)
        with open(name, "rb") as f:
            return pcapng.read(f.read())

    def send_frames(self, *frames):
        self.guest.run(PYTHON, "-c", SEND_FRAMES, self.link, *frames)

    def traffic(self):
        self.guest.run(PYTHON, "-c", GET, REMOTE4)
        self.guest.run("ping", "-6", "-c", "2", "-i", "0.2", REMOTE6)
        self.guest.run(PYTHON, "-c", DISCOVER, self.link)
        time.sleep(0.3)

    def test_filters_choose_what_libpcap_would_have_chosen(self):
        filters = ("udp port 67", "tcp and port 80", "icmp6", "")
        running = [self.begin(f) if f else self.begin() for f in filters]
        before = time.time()
        self.traffic()
        after = time.time()
        captures = [self.end(*each) for each in running]
        for words, capture in zip(filters, captures):
            chosen = subprocess.run(["tcpdump", "-r", self.pcap, "-w", "-", words], capture_output=True, check=True).stdout
            wanted = [octets for at, octets in pcapng.read_pcap(chosen) if before <= at <= after]
            got = [f.octets for f in capture.frames if before <= f.time <= after]
            self.assertGreaterEqual(len(got), 2, words)
            self.assertEqual(sorted(got), sorted(wanted), words)
            self.assertEqual({f.way for f in capture.frames}, {"in", "out"})
            self.assertTrue(all(f.length == len(f.octets) for f in capture.frames))
            self.assertEqual((capture.received, capture.dropped), (len(capture.frames), 0))
            self.assertEqual(capture.interface, f"pasta {self.daemon.pid}")

    def test_a_direction_and_a_length_are_asked_for(self):
        running = [self.begin("-Q", "in", "tcp"), self.begin("-Q", "out", "-s", "40", "tcp")]
        self.guest.run(PYTHON, "-c", GET, REMOTE4)
        time.sleep(0.1)
        from_guest, to_guest = (self.end(*each).frames for each in running)
        self.assertEqual({f.way for f in from_guest}, {"in"})
        self.assertEqual({(f.way, len(f.octets)) for f in to_guest}, {("out", 40)})
        self.assertGreater(max(f.length for f in to_guest), 60)

    def test_drops_come_with_their_reason(self):
        ours = json.loads(self.guest.run("ip", "-j", "neigh").stdout) or [{}]
        to, mine = ours[0].get("lladdr", "9a559a559a55").replace(":", ""), "0200000000aa"
        head = to + mine
        frames = {"bad_version": head + "0800" + "65" + "00" * 39, "truncated": head + "0800" + "4500001400",
                  "unknown_ethertype": head + "1234" + "00" * 46,
                  "zero_port": head + "0800" + "4500001c00010000401100000a00000208080808" + "1000000000080000"}
        plain, only = self.begin(), self.begin("--drops")
        self.send_frames(*frames.values())
        time.sleep(0.3)
        plain, only = self.end(*plain).frames, self.end(*only).frames
        for reason, frame in frames.items():
            octets = bytes.fromhex(frame)
            found, = [f for f in only if f.octets == octets]
            self.assertTrue(found.comment.startswith(f"drop_{reason}: "), found)
            self.assertEqual(found.way, "in")
            self.assertEqual([f.comment for f in plain if f.octets == octets], ["", found.comment])
        self.assertTrue(all(f.comment.startswith("drop_") for f in only))

    def test_lines_of_text(self):
        process, _ = self.begin("-c", "3", "udp", "port", "7", to_file=False)
        self.guest.run(PYTHON, "-c", f"import socket; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.connect(('{REMOTE4}', 7))\n"
                       "for i in range(4): s.send(b'hello'); s.recv(100)")
        out, err = process.communicate(timeout=10)
        lines = out.splitlines()
        self.assertEqual(len(lines), 3, out)
        self.assertRegex(lines[0], rf"^\d\d:\d\d:\d\d\.\d{{6}} in +47 udp [\d.]+:\d+ > {REMOTE4}:7$")
        self.assertIn("3 frames captured", err)

    def test_a_ring_of_files(self):
        process, name = self.begin("-C", "1", "-W", "3", "tcp")
        self.guest.run(PYTHON, "-c", BULK, REMOTE4, 8 << 20)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=20)
        self.assertFalse(os.path.exists(name))
        sizes = []
        for number in range(3):
            with open(f"{name}{number}", "rb") as f:
                octets = f.read()
            self.assertTrue(pcapng.read(octets).frames)
            sizes.append(len(octets))
        self.assertLessEqual(max(sizes), 1_000_000)
        self.assertGreater(sorted(sizes)[1], 900_000)

    def test_a_client_that_reads_nothing_slows_nobody_and_is_told_what_it_lost(self):
        def seconds():
            return min(float(self.guest.run(PYTHON, "-c", BULK, REMOTE4, 100 << 20).stdout) for _ in range(2))
        process, name = self.begin("tcp")
        process.send_signal(signal.SIGSTOP)
        stopped = seconds()
        process.send_signal(signal.SIGCONT)
        capture = self.end(process, name)
        alone = seconds()
        self.assertLess(stopped, 2 * alone + 0.3)
        self.assertGreater(capture.dropped, 100)
        self.assertEqual(capture.received, len(capture.frames) + capture.dropped)
        self.assertLessEqual(sum(f.lost for f in capture.frames), capture.dropped)
        with open(f"/proc/{self.daemon.pid}/status") as f:
            resident = next(int(line.split()[1]) for line in f if line.startswith("RssAnon"))
        self.assertLess(resident, 40_000)

    def test_a_client_that_is_killed_leaves_nothing(self):
        for _ in range(6):
            running = [self.begin("tcp")[0] for _ in range(3)]
            for process in running:
                process.kill()
            self.guest.run(PYTHON, "-c", GET, REMOTE4)
            wait_until(lambda: self.descriptors() <= self.before, "return of the descriptors")

    def connect(self):
        s = socket.socket(socket.AF_UNIX)
        s.settimeout(5)
        s.connect(self.path)
        self.addCleanup(s.close)
        return s

    @staticmethod
    def pass_along(s, octets, *fds):
        s.sendmsg([octets], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else [])

    def reply(self, s):
        said = b""
        while not said.endswith(b"\0"):
            said += s.recv(65536) or b'{"ended":1}\0'
        return json.loads(said.split(b"\0")[0])

    def refused(self, octets, *fds):
        s = self.connect()
        self.pass_along(s, octets, *fds)
        return self.reply(s).get("error", "").rsplit(".", 1)[-1]

    def test_what_makes_no_sense_is_refused(self):
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        read_end, write_end = os.pipe()
        with ours, theirs, socket.socket() as tcp, tempfile.TemporaryFile() as file:
            for wrong in (None, read_end, write_end, tcp.fileno(), file.fileno()):
                self.assertEqual(self.refused(call("Capture"), *([] if wrong is None else [wrong])), "SocketNeeded")
            for name, values in (("filter", ["x", "AAYAAAAEAAA", 7, "BQAAAP////8=", "AAYAAAAE"]), ("snaplen", [0, -1, "x", 1.5]),
                                 ("drops_only", [1, "true"]), ("direction", ["both", 1])):
                for value in values:
                    self.assertEqual(self.refused(call("Capture", **{name: value}), theirs.fileno()), "InvalidParameter", (name, value))
            self.assertEqual(self.refused(call("Capture", more=False), theirs.fileno()), "ExpectedMore")
        os.close(read_end)
        os.close(write_end)

    def test_the_socket_for_seeing_captures_nothing(self):
        script = ("import array, socket, sys\na, b = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)\ns = socket.socket(socket.AF_UNIX)\n"
                  "s.connect('\\0tapioca/' + sys.argv[1] + '/' + sys.argv[2])\n"
                  "s.sendmsg([bytes.fromhex(sys.argv[3])], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array('i', [b.fileno()]))])\n"
                  "print(s.recv(65536).decode().strip('\\0'))")
        said = self.host.run(PYTHON, "-c", script, USER, self.daemon.pid, call("Capture").hex(), uid=USER).stdout
        self.assertIn("PermissionDenied", said)

    def test_there_are_a_few_captures_at_most(self):
        pairs = [socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET) for _ in range(5)]
        clients = [self.connect() for _ in pairs]
        said = []
        for client, (_, theirs) in zip(clients, pairs):
            self.pass_along(client, call("Capture", filter=ACCEPT_ALL), theirs.fileno())
            theirs.close()
            said.append(self.reply(client))
        self.assertEqual(["continues" in s for s in said], [True] * 4 + [False])
        self.assertTrue(said[4]["error"].endswith("TooManyCaptures"))
        self.guest.run(PYTHON, "-c", GET, REMOTE4)
        for ours, _ in pairs[:2]:
            ours.close()                # the daemon notices when it sends
        self.guest.run(PYTHON, "-c", GET, REMOTE4)
        for client in clients[:2]:
            self.assertGreater(self.reply(client)["parameters"]["chosen"], 0)
        clients[2].sendall(call("GetInfo", more=False))      # a call ends it, and is answered
        whole = b""
        while whole.count(b"\0") < 2:
            whole += clients[2].recv(65536)
        self.assertIn(b'"lost"', whole)
        self.assertIn(b'"version"', whole)
        for s in (*clients, *(ours for ours, _ in pairs)):
            s.close()

    def test_descriptors_that_nobody_asked_for_are_closed(self):
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with ours, theirs:
            for number in range(60):
                s = self.connect()
                for octets in (b"x", call("GetInfo", more=False), call("Capture")[:20], b"{"):
                    try:
                        self.pass_along(s, octets, *[theirs.fileno()] * (1 + number % 200))
                    except OSError:
                        break
                    self.assertLess(self.descriptors(), self.before + 12)
                s.close()

    def test_wireshark_sees_instances_as_interfaces(self):
        program = f"{self.host.dir}/extcap/tapioca-extcap"
        os.makedirs(os.path.dirname(program), exist_ok=True)
        if not os.path.lexists(program):
            os.symlink(self.host.binary("tapioca"), program)
        interface = f"tapioca-{self.daemon.pid}"
        said = self.host.run(program, "--extcap-interfaces", "--extcap-version=4.0", uid=USER).stdout
        self.assertRegex(said, rf"(?m)^interface {{value={interface}}}{{display=pasta {self.daemon.pid}")
        self.assertIn("dlt {number=1}{name=EN10MB}", self.host.run(program, "--extcap-interface", interface, "--extcap-dlts", uid=USER).stdout)
        self.assertIn("{call=--drops}", self.host.run(program, "--extcap-interface", interface, "--extcap-config", uid=USER).stdout)
        for words, status in (("tcp port 80", 0), ("tcp port", 1)):
            done = self.host.run(program, "--extcap-interface", interface, "--extcap-capture-filter", words, uid=USER, check=False)
            self.assertEqual(done.returncode, status, words)
        fifo = f"{self.host.dir}/fifo{self.workers}"
        os.mkfifo(fifo)
        os.chmod(fifo, 0o666)
        process = self.host.popen(program, "--capture", "--extcap-interface", interface, "--fifo", fifo, "--extcap-capture-filter", "tcp port 80", uid=USER)
        with open(fifo, "rb") as f:
            beginning = os.read(f.fileno(), 4096)
            time.sleep(0.2)             # the beginning comes first
            self.guest.run(PYTHON, "-c", GET, REMOTE4)
            process.terminate()
            capture = pcapng.read(beginning + f.read())
        process.wait(10)
        self.assertGreater(len(capture.frames), 5)

    @unittest.skipUnless(shutil.which("tshark"), "skipped: there is no tshark")
    def test_tshark_captures(self):
        program = f"{self.host.dir}/extcap/tapioca-extcap"
        os.makedirs(os.path.dirname(program), exist_ok=True)
        if not os.path.lexists(program):
            os.symlink(self.host.binary("tapioca"), program)
        with_extcap = ("env", f"WIRESHARK_EXTCAP_DIR={os.path.dirname(program)}", f"HOME={self.host.dir}", "tshark")
        interface = f"tapioca-{self.daemon.pid}"
        listed = self.host.run(*with_extcap, "-D", uid=USER).stdout
        self.assertIn(f"{interface} (pasta {self.daemon.pid}", listed)
        tshark = self.host.popen(*with_extcap, "-i", interface, "-f", "udp port 7", "-c", "4", "-l", "-T", "fields", "-e", "udp.dstport", "-e", "frame.comment",
                                 uid=USER, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.addCleanup(cleanup.end_process, tshark)
        script = f"""import socket, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.connect(("{REMOTE4}", 7))
for _ in range(300):
    s.send(b"x")
    s.recv(10)
    time.sleep(0.1)
"""
        talker = self.guest.popen(PYTHON, "-c", script)
        self.addCleanup(cleanup.end_process, talker)
        out, err = tshark.communicate(timeout=40)
        self.assertEqual(tshark.returncode, 0, err)
        self.assertEqual(len(out.splitlines()), 4, out + err)
        self.assertIn("7", out.split())


class CaptureOfWorkers(Capture):
    workers = 2


if __name__ == "__main__":
    netns_test.main()
