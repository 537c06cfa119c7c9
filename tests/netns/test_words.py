#!/usr/bin/env python3
"""What the user reads when a start fails because of the machine: the words that callers know, then the reason and the remedy.
What the command line alone decides is in tests/unit/daemon/config/words_test.cpp."""
import os
import signal
import socket
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import cleanup
import netns_test
from guests import NO_PORTS, Guest, NamedGuest, OnServingHost, OnSimulatedHost
from hosts import HOST4, PYTHON, REMOTE4, USER, wait_until
from inside import host_place

NO_TUN = ["unshare", "-Urm", "sh", "-c", 'mount -t tmpfs none /dev/net; exec "$@"', "sh"]
FEW = "; only {} files may be open: raise the limit (ulimit -n, LimitNOFILE=)\n"
LISTEN = "\nCouldn't listen on requested ports\n"


class Words(OnSimulatedHost, unittest.TestCase):
    maxDiff = None

    def start(self, *argv, program="pasta", uid=USER, before=(), **options):
        return self.host.run(*before, self.host.binary(program), *argv, uid=uid, check=False, timeout=30, **options)

    def refused(self, text, *argv, **named):
        """The start fails, and this is all that is said."""
        with self.subTest(argv=argv):
            done = self.start(*argv, **named)
            self.assertEqual((done.returncode, done.stderr), (1, text + ("" if text.endswith("\n") else "\n")))

    def warned(self, text, *argv, **named):
        """The start succeeds, and this is all that is said, even if quiet is wanted."""
        with self.subTest(argv=argv):
            done = self.start("-q", *argv, **named)
            self.assertEqual((done.returncode, done.stderr), (0, text + "\n"))


class OfPorts(Words):
    def test_a_port_without_the_right_to_it(self):
        for letter, other, name in (("-t", "-u", "TCP"), ("-u", "-t", "UDP")):
            self.refused(f"Listen failed for HOST {name} port */80: Permission denied; ports below 1024 are root's: take a higher one, as in {letter} 8080:80, "
                         "or set the sysctl net.ipv4.ip_unprivileged_port_start to 80" + LISTEN, letter, "80", other, "none", "--", "true")

    def test_a_port_that_is_in_use(self):
        with host_place(self.host).bound("", 8123), host_place(self.host).bound("", 8123, socket.SOCK_DGRAM):
            for letter, name, ss in (("-t", "TCP", "t"), ("-u", "UDP", "u")):
                self.refused(f"Listen failed for HOST {name} port */8123: Address already in use; another socket has it (ss -{ss}lnp shows whose): take another port, "
                             f"as in {letter} 16123:8123" + LISTEN, letter, "8123", "--", "true")

    def test_an_address_that_is_nobodys(self):
        self.refused("Listen failed for HOST TCP port 192.0.2.99/8123: Cannot assign requested address; no interface has that address (--freebind listens all the same)"
                     + LISTEN, "-t", "192.0.2.99/8123", "--", "true")

    def test_an_interface_that_does_not_exist(self):
        self.refused("Listen failed for HOST TCP port *%none0/8123: No such device; there is no such interface" + LISTEN, "-t", "%none0/8123", "--", "true")


class OfInterfaces(Words):
    def test_a_name_that_no_interface_has(self):
        for option in ("-i", "--outbound-if4", "--outbound-if6"):
            self.refused("Invalid interface name eth7: No such device; there are lo, eth0", option, "eth7", "--", "true")

    def test_an_outbound_interface_without_the_family(self):
        self.host.ip("link", "add", "bare0", "type", "veth", "peer", "name", "bare1")
        self.addCleanup(self.host.ip, "link", "del", "bare0")
        for family in ("4", "6"):
            self.refused(f"External interface not usable; --outbound-if{family} bare0: the interface has no address of IPv{family}", f"--outbound-if{family}", "bare0", "--", "true")
        self.refused("External interface not usable; --outbound-if4 eth0: there is no IPv4", "-6", "--outbound-if4", "eth0", "--", "true")

    def test_a_name_that_another_interface_has(self):
        self.refused("TUNSETIFF ioctl on /dev/net/tun failed: Invalid argument; the namespace has another interface lo: choose a name by --ns-ifname", "-I", "lo", "--", "true")

    def test_a_group_address(self):
        self.refused("Couldn't set MAC address in namespace: Cannot assign requested address; the kernel takes no address of a group, and not zero",
                     "--ns-mac-addr", "01:00:00:00:00:00", "--", "true")

    def test_without_the_tun_device(self):
        done = self.start(*NO_PORTS, "--", "true", before=NO_TUN)
        self.assertEqual(done.returncode, 1)
        self.assertIn("Failed to open() /dev/net/tun: No such file or directory; load the module (modprobe tun), or give the container the device\n", done.stderr)


class OfNamespaces(Words):
    def test_a_process_that_is_gone(self):
        self.refused("Couldn't open user namespace /proc/4194303/ns/user: No such file or directory; there is no process 4194303", "4194303")

    def test_a_process_of_another_user(self):
        self.refused(f"Couldn't open user namespace /proc/{self.host.holder.pid}/ns/user: Permission denied; process {self.host.holder.pid} belongs to user 0, "
                     f"and this is user {USER}: only its own user may, or root", self.host.holder.pid)

    def test_a_process_of_the_same_user_that_may_do_more(self):
        guarded = self.host.popen(PYTHON, "-c", "import ctypes, time; ctypes.CDLL(None).prctl(4, 0); print('ready', flush=True); time.sleep(60)", uid=USER, stdout=subprocess.PIPE)
        self.addCleanup(cleanup.end_process, guarded)
        self.assertEqual(guarded.stdout.readline(), "ready\n")
        self.refused(f"Couldn't open user namespace /proc/{guarded.pid}/ns/user: Permission denied; process {guarded.pid} has rights that user {USER} has not: root may", guarded.pid)

    def test_a_name_that_no_namespace_has(self):
        self.refused("Couldn't open network namespace /run/netns/nosuch: No such file or directory; ip netns list shows which there are, ip netns add nosuch makes this one",
                     "--netns", "nosuch")

    def test_a_file_that_is_no_namespace(self):
        self.refused("Couldn't switch to pasta namespaces: Invalid argument; /etc/passwd is no network namespace", "--netns", "/etc/passwd")
        self.refused("Couldn't enter user namespace: Invalid argument; /etc/passwd is no user namespace", "--userns", "/etc/passwd", "--", "true")

    def test_a_namespace_that_root_has_made(self):
        guest = NamedGuest(self.host)
        self.addCleanup(guest.close)
        self.refused(f"Couldn't switch to pasta namespaces: Operation not permitted; {guest.path} is not ours to enter: "
                     "name the user namespace that it belongs to by --userns, or start as root", "--netns", guest.name)

    def test_a_descriptor_that_was_not_inherited(self):
        self.refused("Couldn't open network namespace /proc/self/fd/77: No such file or directory; no such descriptor was inherited", "--netns", "/proc/self/fd/77")

    def test_a_namespace_without_the_right_to_make_it(self):
        self.refused("Couldn't create the namespaces of the command: Operation not permitted; with --netns-only that is root's alone", "--netns-only", "--", "true")


class OfPrograms(Words):
    def test_a_command_that_is_missing(self):
        self.refused("Failed to start command or shell: No such file or directory; no directory of PATH has a program nosuch", "--", "nosuch")
        self.refused("Failed to start command or shell: No such file or directory; /nonexistent/command does not exist", "--", "/nonexistent/command")
        self.refused("Failed to start command or shell: Permission denied; /etc is a directory", "--", "/etc")
        self.refused(f"Failed to start command or shell: Permission denied; user {USER} may not execute /etc/passwd", "--", "/etc/passwd")
        script = f"{self.host.dir}/script"
        with open(script, "w") as file:
            file.write("#!/nonexistent/interpreter\n")
        os.chmod(script, 0o755)
        self.refused(f"Failed to start command or shell: No such file or directory; the interpreter that {script} names does not exist", "--", script)

    @unittest.skipIf(netns_test.SANITIZED, "sanitizers have threads and open files of their own")
    def test_too_few_open_files(self):
        for number in (8, 12, 16, 20):
            done = self.start("--", "true", before=["prlimit", f"--nofile={number}:{number}"])
            self.assertEqual(done.returncode, 1)
            self.assertRegex(done.stderr.splitlines()[-1] + "\n", "^Couldn't [a-z ]+: Too many open files" + FEW.format(number).replace("(", r"\(").replace(")", r"\)") + "$")

    def test_a_descriptor_that_is_no_guest(self):
        for program, operand in (("pasta", ["--", "true"]), ("passt", [])):
            self.refused("Could not move --fd descriptor: Bad file descriptor; no descriptor 77 was inherited", "--fd", "77", *operand, program=program)
            self.refused("Could not move --fd descriptor: Socket operation on non-socket; a connected stream socket is needed", "--fd", "1", *operand, program=program)

    @unittest.skipIf(netns_test.SANITIZED, "sanitizers have threads and open files of their own")
    def test_no_more_processes(self):
        """The command is one, the first thread is one too many; another user, so that no other test counts."""
        done = self.start(*NO_PORTS, "--", "true", uid=USER + 4711, before=["prlimit", "--nproc=2:2"])
        self.assertEqual((done.returncode, done.stderr), (1, "Couldn't start a thread: Resource temporarily unavailable; raise the limit of processes (ulimit -u, LimitNPROC=) "
                                                             "or of the cgroup's tasks (pids.max, TasksMax=)\n"))


class OfUsers(Words):
    NOBODY = "Started as root, will change to nobody.\n"

    def setUp(self):
        self.private = f"{self.host.dir}/private"
        os.makedirs(self.private, mode=0o700, exist_ok=True)

    def test_another_identity_without_being_root(self):
        for value in ("0", "12", f"{USER}:12"):
            self.refused(f"Couldn't change the group: Operation not permitted; --runas is for root, and this is user {USER}", "--runas", value, "--", "true")

    def test_root_that_becomes_nobody_in_a_private_directory(self):
        who = "user 65534 (nobody, whom root becomes: --runas says another)"
        self.refused(f"{self.NOBODY}Couldn't bind UNIX domain socket {self.private}/s: Permission denied; {who} may not write to the directory",
                     "-s", f"{self.private}/s", program="passt", uid=None)
        self.refused(f"{self.NOBODY}Failed to start command or shell: Permission denied; {who} may not execute {self.private}/command",
                     "--", f"{self.private}/command", uid=None)

    def test_an_identity_that_the_user_namespace_has_not(self):
        self.refused("Couldn't change the group: Invalid argument; the user namespace has no such id", "--runas", "1", "--", "true", before=["unshare", "-Ur"])

    def test_a_socket_where_none_can_be(self):
        self.refused("Couldn't bind UNIX domain socket /nonexistent/s: No such file or directory; the directory does not exist", "-s", "/nonexistent/s", program="passt")
        self.refused(f"Couldn't bind UNIX domain socket /etc/s: Permission denied; user {USER} may not write to the directory", "-s", "/etc/s", program="passt")
        self.refused("Socket path /etc/passwd already in use; somebody listens there, or it is no socket: choose another", "-s", "/etc/passwd", program="passt")

    def test_files_that_cannot_be_written(self):
        for option, name in (("--log-file", "log"), ("--pid", "PID")):
            self.refused(f"Couldn't open {name} file /etc/x: Permission denied", option, "/etc/x", "--", "true")


class OfResolvers(Words):
    def test_a_file_that_cannot_be_read(self):
        os.chmod(f"{self.host.dir}/resolv.conf", 0)
        self.addCleanup(os.chmod, f"{self.host.dir}/resolv.conf", 0o644)
        self.warned("Couldn't read /etc/resolv.conf: Permission denied", "--", "true")
        self.warned("Couldn't read /etc/resolv.conf: Permission denied\nCouldn't get any nameserver address; name one by --dns, or none", "--dhcp-dns", "--", "true")
        self.warned("Couldn't read /etc/resolv.conf: Permission denied\n--dns-forward 169.254.1.1 leads nowhere: /etc/resolv.conf has no resolver of IPv4, name one by --dns-host",
                    "--dns-forward", "169.254.1.1", "--", "true")


class Surprises(OnServingHost, Words):
    """Taken, but with a warning; or taken, though it looks unlikely."""

    def test_a_command_line_that_cannot_mean_what_it_says(self):
        self.warned("-4 and -6 contradict each other, the last counts: no IPv4", "-4", "-6", "--", "true")
        self.warned("--dns has no effect: nothing tells the guest without --dhcp-dns", "--dns", "192.0.2.53", "--", "true")
        self.warned("--mtu 1400 is only announced to the guest: without --config-net the interface keeps its own", "--mtu", "1400", "--", "true")
        self.warned(f"--hostname is cut to the 64 characters that the kernel takes: {'x' * 64}", "-H", "x" * 70, "--", "true")
        self.warned("--pcap captures into a file named 8080:80: ports are forwarded by --tcp-ports (-t)", "-p", "8080:80", "--", "true",
                    before=["sh", "-c", 'cd "$1"; shift; exec "$@"', "sh", self.host.dir])
        self.assertTrue(os.path.exists(f"{self.host.dir}/8080:80"))

    def test_256_open_files_are_enough_for_a_few_connections(self):
        done = self.start("-q", "--config-net", "--workers", "2", "--", "sh", "-c", f"{PYTHON} {self.host.dir}/client.py parallel {REMOTE4} 8 100000 down",
                          before=["prlimit", "--nofile=256:256"])
        self.assertEqual((done.returncode, done.stderr), (0, "Only 256 files may be open, and every connection takes one: raise the hard limit (ulimit -Hn, LimitNOFILE=)\n"))

    def test_a_namespace_may_be_an_inherited_descriptor(self):
        """With no name that could go, it is served until the daemon is told to end."""
        guest = Guest(self.host)
        self.addCleanup(guest.close)
        script = 'exec 5<"$1/net" 6<"$1/user"; shift; exec "$@"'
        process = self.host.popen("sh", "-c", script, "sh", f"/proc/{guest.pid}/ns", self.host.binary(), "-f", "-q", "--config-net", *NO_PORTS, "--pid", f"{self.host.dir}/inherited.pid",
                                  "--userns", "/proc/self/fd/6", "--netns", "/proc/self/fd/5", uid=USER)
        wait_until(lambda: process.poll() is not None or os.path.exists(f"{self.host.dir}/inherited.pid") and os.path.getsize(f"{self.host.dir}/inherited.pid"), "PID file")
        self.assertIn(f"inet {HOST4}/24", guest.run("ip", "addr").stdout)
        self.assertTrue(guest.client("download", REMOTE4, 100000)["equal"])
        kept = {os.readlink(f"/proc/{process.pid}/fd/{n}") for n in os.listdir(f"/proc/{process.pid}/fd")}
        self.assertFalse({link for link in kept if link.startswith(("net:", "user:"))}, kept)
        guest.close()
        with self.assertRaises(Exception):
            process.wait(2)
        process.send_signal(signal.SIGTERM)
        self.assertEqual(process.wait(10), 0)


if __name__ == "__main__":
    netns_test.main()
