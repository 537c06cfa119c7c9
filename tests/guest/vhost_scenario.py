"""Guests that share their memory with passt by vhost-user: what they must be able to do, and what either side must survive."""
import itertools
import os
import re
import shutil
import signal
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import client
import netns_test
import scenario
from guests import statuses
from hosts import HOST4, HOST6, REMOTE4, REMOTE6, wait_until
from machine import MAC, QEMU
from passt import Passt
from qmp import Qmp

_serial = itertools.count()
OPTIONS = ("--vhost-user", *scenario.OPTIONS, "-u", "9100")
ETHTOOL = shutil.which("ethtool", path="/usr/sbin:/sbin")
LOAD = f"{{ echo 100000000000 | nc {REMOTE4} 19 & nc {REMOTE6} 9 </dev/zero & nc {REMOTE4} 9 </dev/zero & }} >/dev/null 2>&1"
COUNT, SIZE = 1000, 64
# datagrams to a forwarded port, not faster than an emulated processor takes them
SENDER = """import socket, sys, time
with socket.socket(socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET, socket.SOCK_DGRAM) as s:
    for n in range(int(sys.argv[2])):
        s.sendto(b"%063d\\n" % n, (sys.argv[1], 9100))
        time.sleep(0.001 if n % 8 else 0.008)
"""


def shared_memory(size):
    """QEMU's arguments for so many MiB that it can share."""
    return ["-object", f"memory-backend-memfd,id=m,share=on,size={size}M", "-numa", "node,memdev=m"]


def card(place, path, queues=1):
    """The same for a card behind the socket; place: where QEMU is installed."""
    version = tuple(map(int, re.search(r"version (\d+)\.(\d+)", place.run(QEMU, "--version").stdout).groups()))
    # once a second, under a name that has changed; and QEMU 7.2 dies of MSI-X without KVM when it does not mask the interrupts itself
    reconnect = "reconnect-ms=1000" if version >= (9, 2) else "reconnect=1"
    vectors = 2 * queues + 2 if version >= (10, 0) else 0
    return ["-chardev", f"socket,id=c0,path={path},{reconnect}", "-netdev", f"vhost-user,id=n0,chardev=c0,queues={queues}",
            "-device", f"virtio-net-pci,netdev=n0,mac={MAC},romfile=,mq=on,vectors={vectors}"]


class OnSharedMemory:
    """A daemon and its guest for all tests of a class. place: where QEMU runs, the simulated host if not another system with its network."""
    memory, queues, daemon_options, machine_options = 256, 1, (), ()
    place = None

    @classmethod
    def setUpClass(cls):
        cls.host = scenario.start_world()
        cls.place = cls.find_place()
        cls.files = scenario.image(cls.host, programs=[shutil.which("socat"), *([ETHTOOL] if ETHTOOL else [])])
        cls.daemon = Passt(cls.host, *OPTIONS, *cls.daemon_options)
        cls.boot()
        scenario.configure(cls.machine)

    @classmethod
    def find_place(cls):
        return cls.host

    @classmethod
    def boot(cls):
        monitor = f"{cls.host.dir}/monitor{next(_serial)}"
        cls.machine = scenario.boot(cls.place, cls.files, memory=f"{cls.memory},slots=2,maxmem={cls.memory + 256}M",
                                    network=[*shared_memory(cls.memory), *card(cls.place, cls.daemon.path, cls.queues), *cls.machine_options,
                                             "-qmp", f"unix:{monitor},server=on,wait=off"])
        cls.qmp = Qmp(monitor)

    @classmethod
    def tearDownClass(cls):
        cls.qmp.close()
        cls.machine.close()
        status = cls.daemon.stop()
        cls.host.close()
        assert status == 0, cls.daemon.log()

    def tell_machine(self, signal_number):
        os.kill(self.machine.process.pid, signal_number)

    def downloads(self):
        for address in (REMOTE4, REMOTE6):
            self.assertEqual(scenario.download(self.machine, address), client.expected(scenario.LENGTH))


class OneQueue(scenario.Checks, OnSharedMemory):
    def counted(self, name):
        return int(self.machine.output("cat", f"/sys/class/net/eth0/statistics/{name}"))

    def is_served_at_once(self):
        """DHCP within 2 s, by a guest that has just started."""
        started = time.monotonic()
        self.machine.run("udhcpc -i eth0 -f -n -q -t 10 -T 1 -s /lease")
        seconds = time.monotonic() - started
        print(f"a lease after {seconds:.2f} s", file=sys.stderr)
        self.assertLess(seconds, 2)
        scenario.configure(self.machine)

    def start_sink(self):
        self.machine.run("echo 4194304 >/proc/sys/net/core/rmem_max; rm -f /tmp/sink; killall -q socat; "
                         "socat -u UDP6-RECV:9100,ipv6only=0,rcvbuf=4194304 OPEN:/tmp/sink,creat,append >/dev/null 2>&1 &")
        wait_until(lambda: self.machine.run("grep -qi ':238C ' /proc/net/udp6", check=False).status == 0, "sink in the guest")

    def arrived(self):
        return self.machine.run("wc -l </tmp/sink 2>/dev/null || echo 0").output.strip()

    def hears_a_thousand_frames_in_silence(self):
        """More than its ring holds, several times over, while it sends nothing that would be a reason to look at it."""
        self.start_sink()
        for address in (HOST4, HOST6):
            with self.subTest(address=address):
                self.host.run_remote("python3", "-c", SENDER, address, 1)
                wait_until(lambda: self.arrived() == "1", "first datagram")
                time.sleep(1)
                before = self.counted("tx_packets")
                self.host.run_remote("python3", "-c", SENDER, address, COUNT)
                wait_until(lambda: self.arrived() == str(COUNT + 1), f"{COUNT} datagrams; {self.arrived()} came", 10)
                said = self.counted("tx_packets") - before
                print(f"the guest sent {said} frames meanwhile", file=sys.stderr)
                self.assertLess(said, 3)            # an advertisement of a neighbour, at most
                self.start_sink()

    def wait_for_page(self, since, timeout=2):
        """Until a server in the guest is reached through the forwarded port; the seconds since then."""
        while self.host.run_remote("curl", "-sS", "--max-time", "1", f"http://{HOST4}:8080/", check=False).stdout != "served\n":
            self.assertLess(time.monotonic() - since, timeout + 10, self.daemon.log())
        seconds = time.monotonic() - since
        print(f"reached after {seconds:.2f} s", file=sys.stderr)
        self.assertLess(seconds, timeout)

    def wait_for_load(self):
        """Until some seconds' worth of it has gone both ways."""
        before = self.counted("rx_bytes"), self.counted("tx_bytes")
        wait_until(lambda: self.counted("rx_bytes") > before[0] + 5_000_000 and self.counted("tx_bytes") > before[1] + 5_000_000, "load", 30)

    # Those below come last, in the order of their names: each changes the machine for those that follow.

    def test_w_an_idle_machine_costs_nothing(self):
        def switches():
            return {s["Pid"]: s["voluntary_ctxt_switches"] for s in statuses(self.daemon.pid)}

        def rests():
            before = switches()
            time.sleep(3)
            return switches() == before
        wait_until(rests, "3 s without a wake-up", 60)
        private = next(statuses(self.daemon.pid))["RssAnon"]
        print(f"RssAnon of the daemon: {private.strip()}, its threads: {len(switches())}", file=sys.stderr)
        self.assertLess(int(private.split()[0]), 5000)

    def test_x_memory_comes_and_goes_during_a_transfer(self):
        """The front-end names it before the guest uses it. What was not put to use can be taken away again."""
        transfer = self.machine.request(f"echo {10 * scenario.LENGTH} | nc {REMOTE4} 19 | sha256sum")
        for n in range(2):
            self.qmp.command("object-add", **{"qom-type": "memory-backend-memfd", "id": f"m{n}", "size": 128 << 20, "share": True})
            self.qmp.command("device_add", driver="pc-dimm", id=f"d{n}", memdev=f"m{n}", node=0)
            time.sleep(1)
        self.qmp.command("device_del", id="d1")
        self.assertEqual(self.machine.answer(transfer).output.split()[0], client.expected(10 * scenario.LENGTH))
        self.qmp.event("DEVICE_DELETED")

        def total():
            return int(self.machine.run("grep MemTotal /proc/meminfo").output.split()[1])
        before = total()
        transfer = self.machine.request("for m in /sys/devices/system/memory/memory*; do read s <$m/state; [ $s = online ] || echo online >$m/state; done; "
                                        f"echo {10 * scenario.LENGTH} | nc {REMOTE6} 19 | sha256sum")
        self.assertEqual(self.machine.answer(transfer).output.split()[0], client.expected(10 * scenario.LENGTH))
        self.assertGreater(total(), before + 100_000)
        self.downloads()

    def test_y_a_machine_that_stands_still_goes_on_where_it_was(self):
        transfer = self.machine.request(f"echo {3 * scenario.LENGTH} | nc {REMOTE4} 19 | sha256sum")
        for _ in range(3):
            time.sleep(0.3)
            self.tell_machine(signal.SIGSTOP)
            time.sleep(1)
            self.daemon.counters()      # which are printed meanwhile
            self.tell_machine(signal.SIGCONT)
        self.assertEqual(self.machine.answer(transfer).output.split()[0], client.expected(3 * scenario.LENGTH))

    def test_z1_another_daemon_takes_over_from_one_that_was_killed(self):
        self.machine.run("mkdir -p /tmp/www; echo served >/tmp/www/index.html; httpd -p 80 -h /tmp/www", check=False)
        self.wait_for_page(time.monotonic())
        for _ in range(2):
            self.machine.run(LOAD)
            self.wait_for_load()
            self.daemon.process.kill()
            self.daemon.process.wait()
            type(self).daemon = Passt(self.host, *OPTIONS, *self.daemon_options, path=self.daemon.path)
            self.wait_for_page(time.monotonic())
            self.hears_a_thousand_frames_in_silence()
        self.downloads()

    def test_z2_a_reset_under_load(self):
        self.machine.run(LOAD)
        self.wait_for_load()
        self.machine.started = time.monotonic()
        self.qmp.command("system_reset")
        print(f"rebooted in {self.machine.wait_for_boot():.1f} s", file=sys.stderr)
        self.is_served_at_once()
        self.downloads()                # which tell the daemon the guest's address
        self.hears_a_thousand_frames_in_silence()

    def test_z3_a_reboot_under_load(self):
        self.machine.run(LOAD)
        self.wait_for_load()
        print(f"rebooted in {self.machine.reboot():.1f} s", file=sys.stderr)
        self.is_served_at_once()
        self.downloads()

    def test_z4_a_machine_that_is_killed_under_load_is_followed_by_another(self):
        self.machine.run(LOAD)
        self.wait_for_load()
        self.qmp.close()
        self.tell_machine(signal.SIGKILL)
        self.machine.process.wait(20)
        self.machine.close()
        self.boot()
        self.is_served_at_once()
        self.downloads()                # which tell the daemon the guest's address
        self.hears_a_thousand_frames_in_silence()


@netns_test.needs("ethtool")
class TwoQueues(OnSharedMemory):
    """Each pair of queues is a worker's."""
    queues, daemon_options, machine_options = 2, ("--workers", "2"), ("-smp", "2")

    def shares(self, before, name):
        _, after = self.daemon.counters()
        return [after.get(n, {}).get(name, 0) - before.get(n, {}).get(name, 0) for n in range(2)]

    def transfers(self, command):
        """Eight at once, of which each writes a sum. The guest sends by the queue of the processor: half of them stay on each."""
        tasks = "; ".join(f"(taskset -c {n // 2 % 2} sh -c '{command.format(address=address)}' >/tmp/said{n}) & pids=\"$pids $!\""
                          for n, address in enumerate((REMOTE4, REMOTE6) * 4))
        return self.machine.run(f"{tasks}; wait $pids; cat /tmp/said?", timeout=300).output

    def test_the_guest_uses_both(self):
        self.machine.run("ethtool -L eth0 combined 1")
        self.downloads()
        self.machine.run("ethtool -L eth0 combined 2")
        self.assertRegex(self.machine.output("ethtool", "-l", "eth0"), r"(?s)Current.*Combined:\s*2")
        self.downloads()

    def test_eight_transfers_are_shared(self):
        self.machine.run(f"ethtool -L eth0 combined 2; echo {scenario.LENGTH} | nc {REMOTE4} 19 >/tmp/octets")
        expected = client.expected(scenario.LENGTH)
        for command, counter in ((f"echo {scenario.LENGTH} | nc {{address}} 19 | sha256sum", "octets_to_guest"),
                                 ("nc {address} 9 </tmp/octets", "octets_from_guest")):
            with self.subTest(counter=counter):
                _, before = self.daemon.counters()
                self.assertEqual(self.transfers(command).count(expected), 8)
                shares = self.shares(before, counter)
                print(f"{counter} of each worker: {shares}, {100 * min(shares) // max(1, sum(shares))} %", file=sys.stderr)
                one_interrupt = "virtio0-input.1" not in self.machine.output("cat", "/proc/interrupts")
                if counter == "octets_from_guest" and one_interrupt:
                    # The guest sends most when it hears acknowledgments, by the queue of the processor that hears them.
                    self.skipTest("without MSI-X one processor of the guest handles all queues, and sends by its own")
                self.assertGreaterEqual(min(shares), 0.3 * sum(shares))

    def test_z_a_reset_under_load(self):
        self.machine.run(LOAD)
        time.sleep(1)
        self.machine.started = time.monotonic()
        self.qmp.command("system_reset")
        self.machine.wait_for_boot()
        scenario.configure(self.machine)
        self.downloads()
