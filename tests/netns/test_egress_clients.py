#!/usr/bin/env python3
"""An egress policy as programs meet it that people use: what is allowed works, and each way around it that these know is closed."""
import os
import shutil
import subprocess
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import netns_test
from guests import NO_PORTS, Daemon, Guest
from hosts import HERE, PYTHON, SimulatedHost, run, wait_until
from inside import host_place
from names import ask

RESOLVER = "192.0.2.62"
SHOP, API, OTHER, MIRROR = "198.51.100.71", "198.51.100.72", "198.51.100.73", "198.51.100.74"     # beyond the host's own networks
PRIVATE = "10.9.9.9"
POLICY = """profile = "deny-all"
allow = ["shop.test:80", "shop.test:443", "shop.test:22", "shop.test:5432", "api.test:443", "mirror.test:80", "inside.test:80"]
"""
DNSMASQ = ("dnsmasq", "--keep-in-foreground", "--no-resolv", "--no-hosts", "--conf-file=/dev/null", "--user=root", "--pid-file", "--bind-interfaces", "--log-queries", "--log-facility=-",
           f"--host-record=shop.test,{SHOP}", f"--host-record=api.test,{API}", f"--host-record=other.test,{OTHER}", f"--host-record=mirror.test,{MIRROR}",
           f"--host-record=inside.test,{PRIVATE}", "--txt-record=small.test,small", "--local=/test/", "--address=/tunnel.test/198.51.100.75")
MUSL = """#include <netdb.h>
#include <stdio.h>
int main(int argc, char **argv)
{
    struct addrinfo *found = 0;
    int failed = getaddrinfo(argv[argc - 1], "80", 0, &found);
    puts(failed ? "no address" : "an address");
    return failed != 0;
}
"""


class EgressClients(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.host = SimulatedHost()
        cls.addClassCleanup(cls.host.close)
        cls.dir = cls.host.dir
        for address in (RESOLVER, SHOP, API, OTHER, MIRROR):
            run("ip", "-n", cls.host.remote, "addr", "add", f"{address}/32", "dev", "lo")
        for name in ("certificate", "key", "policy.toml"):
            open(f"{cls.dir}/{name}", "w").close()
        run("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=shop.test", "-addext", "subjectAltName=DNS:shop.test,DNS:api.test,DNS:other.test",
            "-keyout", f"{cls.dir}/key", "-out", f"{cls.dir}/certificate")
        with open(f"{cls.dir}/policy.toml", "w") as f:
            f.write(POLICY)
        os.mkdir(f"{cls.dir}/www")
        with open(f"{cls.dir}/www/page", "w") as f:
            f.write("a page\n")
        shutil.copy(f"{HERE}/egress_services.py", cls.dir)
        cls.queries = open(f"{cls.dir}/queries", "w+")
        cls.addClassCleanup(cls.queries.close)
        inside = ("nsenter", f"--net=/run/netns/{cls.host.remote}")
        cls.host.popen(*inside, *DNSMASQ, f"--listen-address={RESOLVER}", stderr=cls.queries)
        services = cls.host.popen(*inside, PYTHON, f"{cls.dir}/egress_services.py", f"{cls.dir}/www", f"{cls.dir}/certificate", f"{cls.dir}/key", SHOP, API, OTHER, MIRROR, stdout=-1)
        if services.stdout.readline() != "ready\n":
            raise RuntimeError("the servers did not start")
        with open(f"{cls.dir}/resolv.conf", "w") as f:
            f.write(f"nameserver {RESOLVER}\nsearch corp.example test\n")
        wait_until(cls.resolver_answers, "answer of dnsmasq")
        cls.guest = Guest(cls.host)
        cls.daemon = Daemon(cls.guest, "--egress", f"{cls.dir}/policy.toml", ports=NO_PORTS)
        cls.addClassCleanup(cls.daemon.stop)

    @classmethod
    def resolver_answers(cls):
        try:
            return ask(host_place(cls.host), RESOLVER, "small.test", 2)
        except (OSError, ValueError):
            return None

    def does(self, *argv, timeout=30):
        return self.guest.run(*argv, check=False, timeout=timeout)

    def works(self, *argv):
        done = self.does(*argv)
        self.assertEqual(done.returncode, 0, f"{done.stderr} {done.stdout} {self.daemon.log()}")
        return done.stdout

    def fails(self, *argv):
        done = self.does(*argv)
        self.assertNotEqual(done.returncode, 0, done.stdout)
        return done.stderr + done.stdout

    def asked_outside(self, *names):
        """Which of these the resolver was asked for."""
        with open(f"{self.dir}/queries") as f:
            text = f.read()
        return [name for name in names if f"] {name} from" in text]

    def curl(self, *words):
        return ("curl", "-sS", "--max-time", "20", "--cacert", f"{self.dir}/certificate", *words)

    def test_curl_by_name(self):
        for url in ("http://shop.test/page", "https://shop.test/page", "https://api.test/page"):
            with self.subTest(url=url):
                self.assertEqual(self.works(*self.curl(url)), "a page\n")
        for url in ("http://other.test/page", "http://api.test/page", f"http://{OTHER}/page"):
            with self.subTest(url=url):
                self.fails(*self.curl(url))
        self.assertEqual(self.asked_outside("other.test"), [])

    def test_a_denial_is_told_at_once(self):
        begin = time.monotonic()
        said = self.fails(*self.curl("-v", f"http://{OTHER}/page"))
        self.assertLess(time.monotonic() - begin, 5)
        self.assertIn("No route to host", said)

    def test_curl_with_an_address_of_its_own(self):
        self.fails(*self.curl("--resolve", f"shop.test:80:{OTHER}", "http://shop.test/page"))

    def test_curl_with_a_name_service_over_https(self):
        """Its server may be reached, as nobody sees what is asked there; what it answers has opened nothing."""
        doh = self.curl("-v", "--doh-url", "https://api.test/dns-query", "http://other.test/page")
        self.assertRegex(self.fails(*doh), f"(?s)Trying {OTHER}:80.*No route to host")

    @netns_test.needs("dig")
    def test_dig_at_another_server(self):
        for server in (RESOLVER, "192.0.2.3", "203.0.113.9"):      # wherever it thinks it asks, it is our forwarder that answers
            with self.subTest(server=server):
                self.assertIn("status: NXDOMAIN", self.works("dig", f"@{server}", "other.test"))
                self.assertIn(SHOP, self.works("dig", f"@{server}", "+short", "shop.test"))
                self.assertIn(SHOP, self.works("dig", f"@{server}", "+tcp", "+short", "SHOP.Test."))
        self.assertEqual(self.asked_outside("other.test"), [])

    @netns_test.needs("kdig")
    def test_kdig_over_tls(self):
        self.fails("kdig", f"@{RESOLVER}", "+tls", "+timeout=2", "+retry=0", "shop.test")

    def test_a_name_that_leads_inside(self):
        """The answer has nothing but a private address: it is taken out (rebinding)."""
        self.fails(*self.curl("http://inside.test/page"))
        self.fails(PYTHON, "-c", "import socket; socket.getaddrinfo('inside.test', 80)")

    def test_openssl(self):
        self.assertIn("Verify return code: 0", self.works("sh", "-c", f"openssl s_client -connect shop.test:443 -servername shop.test -CAfile {self.dir}/certificate </dev/null"))
        self.fails("sh", "-c", f"openssl s_client -connect {OTHER}:443 -servername shop.test </dev/null")

    @netns_test.needs("psql")
    def test_postgres(self):
        self.assertEqual(self.works("psql", "-h", "shop.test", "-U", "me", "-At", "-c", "select name", "goods").strip(), "tapioca")
        self.fails("psql", "-h", "api.test", "-U", "me", "-c", "select name", "goods")

    @netns_test.needs("apt-get")
    def test_apt(self):
        for directory in ("lists/partial", "cache/archives/partial", "etc"):
            os.makedirs(f"{self.dir}/apt/{directory}", exist_ok=True)
        run("chmod", "-R", "a+rwX", f"{self.dir}/apt")
        with open(f"{self.dir}/www/Packages", "w") as f:
            f.write("Package: tapioca-pearls\nVersion: 1\nArchitecture: all\nFilename: ./pearls.deb\nSize: 1\nMD5sum: d41d8cd98f00b204e9800998ecf8427e\n\n")
        common = (f"Dir::State={self.dir}/apt", f"Dir::State::lists={self.dir}/apt/lists", f"Dir::Cache={self.dir}/apt/cache", f"Dir::State::status={self.dir}/apt/status",
                  f"Dir::Etc::sourcelist={self.dir}/apt/sources.list", f"Dir::Etc::sourceparts={self.dir}/apt/etc", "APT::Sandbox::User=root", "Acquire::Retries=0",
                  "Acquire::http::Timeout=5", "APT::Update::Error-Mode=any", "Acquire::http::Proxy=false")
        open(f"{self.dir}/apt/status", "w").close()
        words = [word for setting in common for word in ("-o", setting)]
        for name, works in (("mirror.test", True), ("other.test", False)):
            with self.subTest(name=name):
                with open(f"{self.dir}/apt/sources.list", "w") as f:
                    f.write(f"deb [trusted=yes] http://{name}/ ./\n")
                done = self.does("apt-get", *words, "update")
                self.assertEqual(done.returncode == 0, works, done.stdout + done.stderr)
        self.assertEqual(self.asked_outside("other.test"), [])

    @netns_test.needs("iodine")
    def test_a_tunnel_through_queries(self):
        """iodine asks its own server, which would be reached through any resolver; none of its queries leaves."""
        done = self.guest.run_as_root("timeout", "-k", "1", "8", "iodine", "-f", "-r", "-T", "NULL", "-P", "secret", RESOLVER, "tunnel.test", check=False)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("iodine: Got NXDOMAIN", done.stderr)
        with open(f"{self.dir}/queries") as f:
            self.assertNotIn("tunnel.test", f.read())

    def test_payload_in_pings(self):
        done = self.does("ping", "-n", "-c", "2", "-i", "0.2", "-p", "736563726574", OTHER)
        self.assertNotEqual(done.returncode, 0)
        self.assertRegex(done.stdout, "(?i)filtered|prohibited")

    @netns_test.needs("musl-gcc")
    def test_search_list_of_musl(self):
        with open(f"{self.dir}/resolve.c", "w") as f:
            f.write(MUSL)
        run("musl-gcc", "-static", "-o", f"{self.dir}/resolve", f"{self.dir}/resolve.c")
        self.assertEqual(self.works(f"{self.dir}/resolve", "shop"), "an address\n")
        self.assertEqual(self.works(f"{self.dir}/resolve", "shop.test"), "an address\n")
        self.assertEqual(self.does(f"{self.dir}/resolve", "other").stdout, "no address\n")
        self.assertEqual(self.asked_outside("shop.corp.example", "other.test"), [])

    def test_search_list_of_glibc(self):
        resolve = "import socket, sys; print(socket.getaddrinfo(sys.argv[1], 80)[0][4][0])"
        self.assertEqual(self.works(PYTHON, "-c", resolve, "shop").strip(), SHOP)
        self.fails(PYTHON, "-c", resolve, "other")

    @netns_test.needs("git", "ssh", "ssh-keygen")
    @unittest.skipUnless(os.path.exists("/usr/sbin/sshd"), "not installed: sshd")
    def test_git_over_ssh(self):
        home = f"{self.dir}/ssh"
        os.mkdir(home)
        os.makedirs("/run/sshd", exist_ok=True)
        for name in ("host", "user"):
            run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", f"{home}/{name}")
        shutil.copy(f"{home}/user", f"{home}/own")
        os.chown(f"{home}/own", 10001, 10001)
        run("git", "init", "-q", "--bare", f"{home}/goods.git")
        run("git", "-C", f"{home}/goods.git", "update-ref", "refs/heads/main", run("git", "-C", f"{home}/goods.git", "-c", "user.name=a", "-c", "user.email=a@b", "commit-tree", "-m", "one",
                                                                                 run("git", "-C", f"{home}/goods.git", "hash-object", "-t", "tree", "-w", "/dev/null").stdout.strip()).stdout.strip())
        options = (f"HostKey={home}/host", f"AuthorizedKeysFile={home}/user.pub", "StrictModes=no", "UsePAM=no", "PidFile=none", "PermitRootLogin=yes", f"ListenAddress={SHOP}", f"ListenAddress={OTHER}")
        self.host.popen("nsenter", f"--net=/run/netns/{self.host.remote}", "/usr/sbin/sshd", "-D", "-e", "-f", "/dev/null", *[word for o in options for word in ("-o", o)])
        ssh = f"ssh -F none -i {home}/own -o BatchMode=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o ConnectTimeout=5"
        remote = ["env", f"GIT_SSH_COMMAND={ssh}", "HOME=/nonexistent", "git", "ls-remote"]
        wait_until(lambda: self.does(*remote, f"ssh://root@shop.test{home}/goods.git").returncode == 0, "git over ssh")
        self.assertIn("refs/heads/main", self.works(*remote, f"ssh://root@shop.test{home}/goods.git"))
        self.fails(*remote, f"ssh://root@{OTHER}{home}/goods.git")
        self.fails(*remote, f"ssh://root@other.test{home}/goods.git")


if __name__ == "__main__":
    netns_test.main()
