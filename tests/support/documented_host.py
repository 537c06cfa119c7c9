"""A simulated host as the readers of the guide have one: its resolver is on the loopback, as systemd-resolved's is, and example.org has a page."""
import subprocess

from hosts import SimulatedHost, run, wait_until

RESOLVER = "127.0.0.53"
PAGES = ("198.51.100.71", "2001:db8:f::71")      # beyond the host's own networks


def documented_host():
    host = SimulatedHost()
    for address in PAGES:
        run("ip", "-n", host.remote, "addr", "add", address, "dev", "lo")
    host.start_services()
    with open(f"{host.dir}/resolv.conf", "w") as f:      # in place: the file is bind-mounted
        f.write(f"nameserver {RESOLVER}\n")
    host.popen("dnsmasq", "--no-daemon", "--no-resolv", "--no-hosts", "--conf-file=/dev/null", "--pid-file=", "--bind-interfaces",
               f"--listen-address={RESOLVER}", *(f"--address=/example.org/{a}" for a in PAGES), stderr=subprocess.DEVNULL)
    wait_until(lambda: host.run("getent", "hosts", "example.org", check=False).returncode == 0, "answer of dnsmasq")
    return host
