#!/usr/bin/env python3
"""libvirt of Debian 13, as an ordinary user's session, with our passt behind <backend type='passt'/>; the guest under emulation."""
import json
import os
import pathlib
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "guest"))
import debian13
import guest_test
import scenario
from debian13 import RUNTIME
from hosts import HOST4, PYTHON, RESOLVER4, ROUTER4, wait_until
from machine import MAC, Machine

STATE = f"{RUNTIME}/libvirt/qemu/run/passt"
# The timers' options are those of Machine: a busy host starves emulated ones.
DOMAIN = """<domain type='qemu'>
  <name>{name}</name> <memory unit='MiB'>192</memory> <vcpu>1</vcpu>
  <os><type arch='x86_64' machine='pc'>hvm</type> <kernel>{kernel}</kernel> <initrd>{initramfs}</initrd>
    <cmdline>quiet panic=-1 console=ttyS0 no_timer_check hpet=disable</cmdline></os>
  {memory}
  <features><acpi/></features>
  <devices>
    <emulator>/usr/bin/qemu-system-x86_64</emulator>
    <interface type='{kind}'>
      <backend type='passt' logFile='{base}.log'/> <mac address='{mac}'/> {source} <model type='virtio'/> <rom enabled='no'/>
      {ports}
    </interface>
    <serial type='file'><source path='{base}.console' append='on'/></serial>
    <serial type='unix'><source mode='connect' path='{base}.channel'/></serial>
  </devices>
</domain>
"""
# what each kind of interface has of its own: its source, and the memory that it needs
KINDS = {"user": ("<source dev='eth0'/>", ""),
         "vhostuser": ("<source dev='eth0'/>", "<memoryBacking><source type='memfd'/><access mode='shared'/></memoryBacking>")}
PORTS = """<portForward proto='tcp'><range start='8080' to='80'/><range start='9000'/></portForward>
<portForward proto='udp' address='{HOST4}'><range start='9100' end='9109' to='9200'/><range start='9104' exclude='yes'/></portForward>"""


class Qemu:
    """The machine's process, which is libvirt's child."""

    def __init__(self, system, pid):
        self.system, self.pid = system, pid

    def poll(self):
        return None if self.system.runs(self.pid) else 0


class Domain(Machine):
    template, kinds = DOMAIN, KINDS

    def __init__(self, system, files, name="guest1", ports=PORTS, kind="user"):
        self.system, self.name = system, name
        base = self._prepare(system.host)
        kernel, initramfs = files
        source, memory = self.kinds[kind]
        with open(f"{base}.xml", "w") as f:
            f.write(self.template.format(name=name, kernel=kernel, initramfs=initramfs, base=base, mac=MAC, ports=ports.format(HOST4=HOST4),
                                  kind=kind, source=source, memory=memory))
        self.log = pathlib.Path(f"{base}.log")
        self.virsh("create", f"{base}.xml")
        self.process = Qemu(system, self.pid_in(f"{RUNTIME}/libvirt/qemu/run/{name}.pid"))
        self.boot_seconds = self.wait_for_boot()

    def virsh(self, *words):
        return self.system.run("virsh", "-q", "-c", "qemu:///session", *words).stdout

    def pid_in(self, file):
        return int(self.system.run("cat", file).stdout)

    def passt(self):
        return self.pid_in(self.passt_files("passt.pid"))

    def passt_files(self, ending):
        return self.system.run("sh", "-c", 'echo "$1"/*"$2"*"$3"', "sh", STATE, self.name, ending).stdout.strip()

    def close(self):
        if self.process.poll() is None:
            self.virsh("destroy", self.name)
        for s in (self._channel, self._listener):
            if s:
                s.close()


class Session(debian13.Installed):
    world = staticmethod(scenario.start_world)

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        with open(f"{cls.host.dir}/libvirtd.log", "w") as log:
            cls.system.popen("libvirtd", stdout=log, stderr=log)
        wait_until(lambda: os.path.exists(cls.system.seen(f"{RUNTIME}/libvirt/libvirt-sock")), "libvirtd")
        cls.files = scenario.image(cls.host)


class Libvirt(scenario.Checks, Session):
    kind, first_words = "user", ("passt", "--one-off")

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.machine = Domain(cls.system, cls.files, kind=cls.kind)
        scenario.configure(cls.machine, heed_mtu=True)

    def test_dhcp_tells_all_that_the_host_knows(self):
        told = scenario.lease(self.machine)         # this version passes no host name
        for key, value in (("ip", HOST4), ("mask", "24"), ("router", ROUTER4), ("dns", RESOLVER4), ("search", "example.org example.net"), ("mtu", "65520")):
            with self.subTest(option=key):
                self.assertEqual(told.get(key), value)

    def test_datagrams_to_a_forwarded_range_arrive(self):
        """The guest has no server there, and its kernel counts that. The port that is left out is the host's own to refuse."""
        before = self.refusals()
        for n, port in enumerate((9100, 9103, 9105, 9109), 1):
            self.host.run_remote(PYTHON, f"{self.host.dir}/client.py", "udp-refused", HOST4, port)
            wait_until(lambda n=n: self.refusals() == before + n, f"datagram to port {port + 100}")
        left_out = self.host.run_remote(PYTHON, f"{self.host.dir}/client.py", "udp-refused", HOST4, 9104).stdout
        self.assertEqual(json.loads(left_out)["error"], "ECONNREFUSED")

    def refusals(self):
        """How many datagrams found no server in the guest."""
        names, values = (line.split() for line in self.machine.run("grep ^Udp: /proc/net/snmp").output.splitlines())
        return int(values[names.index("NoPorts")])

    def test_the_command_line_and_the_log_are_libvirts(self):
        words = self.system.run("cat", f"/proc/{self.machine.passt()}/cmdline").stdout.split("\0")
        self.assertEqual(tuple(words[:len(self.first_words)]), self.first_words)
        self.assertIn("8080:80,9000", words)
        self.assertRegex(self.machine.log.read_text().splitlines()[0], r"^passt .*: .* \(\d+\)$")


class LibvirtVhost(Libvirt):
    """The same by vhost-user."""
    kind, first_words = "vhostuser", ("passt", "--vhost-user", "--one-off")


class Ending(Session):
    kind = "user"

    def test_passt_goes_with_its_machine_and_leaves_nothing(self):
        for way in ("destroy", "kill", "poweroff"):
            with self.subTest(way=way):
                machine = Domain(self.system, self.files, way, kind=self.kind)
                passt = machine.passt()
                self.assertTrue(self.system.runs(passt))
                if way == "destroy":
                    machine.virsh("destroy", way)
                elif way == "kill":
                    self.system.run("kill", "-9", machine.process.pid)
                else:
                    machine.request("poweroff -f")
                wait_until(lambda: not self.system.runs(passt), "end of passt")
                if self.kind == "user":         # libvirt 11.3 forgets that of the others
                    wait_until(lambda: machine.passt_files("passt.pid").endswith("*passt.pid"), "end of the PID file")
                wait_until(lambda: way not in machine.virsh("list", "--name"), "end of the machine")
                machine.close()

    def test_a_port_that_is_taken_is_explained(self):
        with self.outside.bound("", 8080), self.assertRaises(RuntimeError) as refused:
            Domain(self.system, self.files, "refused", kind=self.kind)
        self.assertIn("Listen failed for HOST TCP port */8080: Address already in use", str(refused.exception))


class EndingVhost(Ending):
    kind = "vhostuser"


if __name__ == "__main__":
    debian13.main(guest_test.missing)
