#!/usr/bin/env python3
"""The program on kernels that people have: a virtual machine is the host, a namespace in it the remote, another the guest.

Debian 12's kernel (6.1); with TAPIOCA_FULL also Debian 11's (5.10) and 13's (6.12), where their packages can be had.
"""
import base64
import os
import shlex
import shutil
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import guest_image
import guest_test
import scenario
from hosts import SimulatedHost
from machine import Machine

HOST4, HOST6, REMOTE4, REMOTE6 = "192.0.2.2", "2001:db8::2", "192.0.2.1", "2001:db8::1"
PROGRAMS = ("ip", "setpriv", "curl", "ping", "socat", "tc")
SYSTEM_PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
MODULES = ("tun", "veth", "ipv6", "ifb", "sch_netem", "sch_ingress", "cls_matchall", "act_mirred")
OCTETS = 12_000_000
REPEATED = 90                   # times OCTETS: more than a GiB
# What makes the guest's link lossy in both directions; it is run in the guest's namespace.
LOSSY = """/bin/ip link add ifb0 type ifb; /bin/ip link set ifb0 up
/bin/tc qdisc add dev e0 handle ffff: ingress; /bin/tc filter add dev e0 parent ffff: matchall action mirred egress redirect dev ifb0
/bin/tc qdisc add dev ifb0 root netem limit 10000 delay 1ms 500us loss 0.3%; /bin/tc qdisc add dev e0 root netem limit 10000 delay 1ms 500us loss 0.3%
"""
USER = "/bin/setpriv --reuid 1000 --regid 1000 --clear-groups"
FULL = "TAPIOCA_FULL" in os.environ
# Programs that busybox has, too, are called by their paths: its shell prefers its own.
SET_UP = f"""
for f in /etc/passwd /etc/group; do echo root:x:0:0::/root:/bin/sh >$f; echo nobody:x:65534:65534::/:/bin/sh >>$f; done
mkdir -p /dev/net /dev/shm /run/netns /root; chmod 1777 /tmp
[ -e /dev/net/tun ] || mknod /dev/net/tun c 10 200; chmod 666 /dev/net/tun
/bin/ip netns add remote
/bin/ip link add e0 type veth peer name e0 netns remote
/bin/ip addr add {HOST4}/24 dev e0; /bin/ip addr add {HOST6}/64 dev e0 nodad; /bin/ip link set e0 up
/bin/ip -n remote addr add {REMOTE4}/24 dev e0; /bin/ip -n remote addr add {REMOTE6}/64 dev e0 nodad; /bin/ip -n remote addr add fe80::1/64 dev e0 nodad
/bin/ip -n remote link set e0 up; /bin/ip -n remote link set lo up
/bin/ip route add default via {REMOTE4}; /bin/ip -6 route add default via fe80::1 dev e0
echo '0 2147483647' >/proc/sys/net/ipv4/ping_group_range
mkdir -p /tmp/www/cgi-bin; head -c {OCTETS} /dev/urandom >/tmp/www/data
printf '#!/bin/sh\\necho; echo; head -c $CONTENT_LENGTH | sha256sum\\n' >/tmp/www/cgi-bin/sum; chmod 755 /tmp/www/cgi-bin/sum
/bin/ip netns exec remote httpd -p '[::]:80' -h /tmp/www
/bin/ip netns exec remote socat UDP6-LISTEN:7,fork,reuseaddr,ipv6only=0 EXEC:cat >/dev/null 2>&1 &
"""


def in_brackets(address):
    return f"[{address}]" if ":" in address else address


def start(release):
    """The host as a machine, or why there is none."""
    programs = [os.path.join(os.environ["TAPIOCA_BIN"], "pasta"), *(shutil.which(name, path=SYSTEM_PATH) for name in PROGRAMS)]
    host = SimulatedHost()
    machine = Machine(host, *scenario.image(host, release, programs=programs, modules=MODULES), [], memory=700)
    machine.run(f"echo {base64.b64encode(SET_UP.encode()).decode()} | base64 -d | sh")    # a request is one line
    print("kernel", machine.run("uname -r").output.strip(), file=sys.stderr)
    return host, machine


class Checks:
    release = None
    peek_offset = "no (IPv4), no (IPv6)"

    @classmethod
    def setUpClass(cls):
        try:
            cls.host, cls.machine = start(cls.release)
        except guest_image.Unavailable as reason:
            raise unittest.SkipTest(str(reason)) from None
        cls.sum = cls.machine.run("sha256sum </tmp/www/data").output.split()[0]

    @classmethod
    def tearDownClass(cls):
        cls.machine.close()
        cls.host.close()

    def inside(self, script, *options, limit=100):
        """What a line of shell says in a namespace that pasta has configured; limit: of its time, in seconds."""
        words = " ".join(options)
        return self.machine.run(f"{USER} timeout {limit} pasta --quiet --chroot-fallback --no-map-gw --config-net {words} -- sh -c {shlex.quote(script)}", timeout=limit + 20).output.split()

    def test_what_the_kernel_can_is_found_out_and_said(self):
        said = self.machine.run(f"{USER} timeout 100 pasta --debug --chroot-fallback --config-net -- true 2>&1").output
        self.assertIn(f"Kernel: peek offset of TCP {self.peek_offset}; Landlock ABI ", said)
        self.assertIn("; tap queues 1, checksums yes, TSO yes, USO ", said)

    def test_transfers_both_ways_through_the_tap(self):
        for workers in 1, 2:
            for mtu in 65520, 1500:
                for address in REMOTE4, REMOTE6:
                    with self.subTest(workers=workers, mtu=mtu, address=address):
                        url = f"http://{in_brackets(address)}"
                        said = self.inside(f"curl -s -m 60 {url}/data | sha256sum; "
                                           f"curl -s -m 60 -H Expect: --data-binary @/tmp/www/data {url}/cgi-bin/sum",
                                           f"--workers {workers} -m {mtu}")
                        self.assertEqual([w for w in said if w != "-"], [self.sum, self.sum])

    @unittest.skipUnless(FULL, "TAPIOCA_FULL is not set")
    def test_a_gibibyte_each_way_over_a_lossy_link(self):
        """Loss and reordering towards the guest and from it; octet by octet."""
        repeat = f"for i in $(seq {REPEATED}); do cat /tmp/www/data; done"
        expected = self.machine.run(f"({repeat}) | sha256sum", timeout=600).output.split()[0]
        self.machine.run(f"echo '{repeat}' >/tmp/repeat; chmod 755 /tmp/repeat; cd /tmp; "
                         "/bin/ip netns exec remote socat TCP6-LISTEN:9001,fork,ipv6only=0 'EXEC:sh /tmp/repeat' >/dev/null 2>&1 & "
                         "/bin/ip netns exec remote socat -u TCP6-LISTEN:9002,ipv6only=0 'SYSTEM:sha256sum >/tmp/sum' >/dev/null 2>&1 & sleep 1")
        lossy = " ".join(LOSSY.replace("\n", "; ").split())
        said = self.inside(f"{lossy} socat -u TCP4:{REMOTE4}:9001 - | sha256sum; sh /tmp/repeat | socat -u - TCP4:{REMOTE4}:9002; "
                           "/bin/tc -s qdisc show dev ifb0 | grep -o 'dropped [0-9]*'", limit=1500)
        self.assertEqual(said[0], expected)
        self.assertGreater(int(said[-1]), 50)
        self.machine.run("for i in $(seq 600); do [ -s /tmp/sum ] && break; sleep 0.1; done")
        self.assertEqual(self.machine.run("cat /tmp/sum").output.split()[0], expected)

    def test_four_downloads_at_once(self):
        for address in REMOTE4, REMOTE6:
            one = f"(curl -s -m 80 http://{in_brackets(address)}/data | sha256sum) &"
            said = self.inside(one * 4 + " wait", "--workers 2")
            self.assertEqual([w for w in said if w != "-"], 4 * [self.sum])

    def test_datagrams_and_pings(self):
        for address in REMOTE4, REMOTE6:
            with self.subTest(address=address):
                family = "6" if ":" in address else "4"
                said = self.inside(f"echo question | socat -t 5 - UDP{family}:{in_brackets(address)}:7,shut-none; /bin/ping -q -c 2 -W 5 {address} | grep -c ' 0% packet loss'")
                self.assertEqual(said, ["question", "1"])

    def test_peers_reach_the_guest_by_its_ports(self):
        """Through the tap from elsewhere, past it from the host's loopback."""
        for workers in 1, 2:
            with self.subTest(workers=workers):
                said = self.answers_of_the_guest(f"--workers {workers}")
                self.assertEqual(said, 4 * [self.sum])

    def answers_of_the_guest(self, options):
        """The guest's file as clients of all kinds see it: of the remote in both families, of the host's loopback in both."""
        m = self.machine
        m.run(f"{USER} pasta --quiet --chroot-fallback -f --config-net -t 8080 -u none -T none -U none {options} -- sh -c 'httpd -f -p [::]:8080 -h /tmp/www' "
              "</dev/null >/tmp/pasta.log 2>&1 & echo $! >/tmp/pasta.pid")
        try:
            m.run("for i in $(seq 100); do curl -s -m 2 -o /dev/null http://127.0.0.1:8080/cgi-bin/ && break; sleep 0.2; done")
            said = []
            for prefix, address in (("/bin/ip netns exec remote ", HOST4), ("/bin/ip netns exec remote ", HOST6), ("", "127.0.0.1"), ("", "::1")):
                said.append(m.run(f"{prefix}curl -s -m 60 http://{in_brackets(address)}:8080/data | sha256sum").output.split()[0])
            self.check_status()
            return said
        finally:
            m.run("kill $(cat /tmp/pasta.pid); pkill httpd -u 1000; wait", check=False)

    def check_status(self):
        """Every thread is sealed. (With -T auto one would keep CAP_NET_BIND_SERVICE over the namespace.)"""
        for status in self.machine.run("for t in $(pidof pasta); do for s in /proc/$t/task/*/status; do cat $s; echo end; done; done").output.split("end\n"):
            fields = dict(line.split(":", 1) for line in status.splitlines() if ":" in line)
            if not fields:
                continue
            values = {name: fields[name].split()[0] for name in ("CapEff", "NoNewPrivs", "Seccomp")}
            self.assertEqual(values["Seccomp"], "2")
            self.assertEqual(values["NoNewPrivs"], "1")
            self.assertEqual(int(values["CapEff"], 16), 0)


class Debian12(Checks, unittest.TestCase):
    pass


@unittest.skipUnless(FULL, "TAPIOCA_FULL is not set")
class Debian11(Checks, unittest.TestCase):
    release = "bullseye"


@unittest.skipUnless(FULL, "TAPIOCA_FULL is not set")
class Debian13(Checks, unittest.TestCase):
    release = "trixie"
    peek_offset = "yes (IPv4), yes (IPv6)"


def missing():
    for name in PROGRAMS:
        if not shutil.which(name, path=SYSTEM_PATH):
            return f"needs the program {name}"
    return ""


if __name__ == "__main__":
    guest_test.main(missing)
