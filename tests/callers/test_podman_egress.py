#!/usr/bin/env python3
"""Containers of rootless Podman with an egress policy, by the recipes of the guide: by the name of a policy, by a file, by a profile, and for a bridge."""
import json
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "guest"))
import debian13
from hosts import REMOTE4, REMOTE6, run, wait_until
from scenario import NAMES, start_world
from test_podman import SERVE, Engine

PAGE = "A page from the other side"
ALLOWED, OTHER = "far.example.net", "www.example.org"       # the second is in the host's own network
POLICY = f"""profile = "deny-all"
allow = [
    "{ALLOWED}:80",
]
"""
# What a container says of each of its destinations.
VISIT = 'for to in "$@"; do echo "== $to"; wget -T 10 -qO- "http://$to/" 2>&1; done; true'


def world():
    """Behind the uplink there is a page at the address of the allowed name, too."""
    host = start_world()
    for address in NAMES[ALLOWED]:
        run("ip", "-n", host.remote, "addr", "add", address, "dev", "lo")
    return host


class Policies(Engine):
    world = staticmethod(world)

    def policy(self, path, text=POLICY):
        self.system.write(path, text)
        self.addCleanup(self.system.run, "rm", "-f", path)
        return path

    def agent(self, text=POLICY):
        return self.policy(f"{debian13.HOME}/.config/tapioca/egress/agent.toml", text)

    def visits(self, *destinations, network=()):
        """What a container is told at each of them."""
        said = self.podman("run", "--rm", *network, "box", "sh", "-c", VISIT, "sh", *destinations)
        parts = said.split("== ")[1:]
        return {destination: text for destination, _, text in (part.partition("\n") for part in parts)}

    def tapioca(self, *words):
        """As the user, who started the containers."""
        return self.system.run(self.host.binary("tapioca"), *words).stdout

    def only_the_allowed_name(self, network):
        said = self.visits(ALLOWED, OTHER, REMOTE4, f"[{REMOTE6}]", NAMES[OTHER][0], network=network)
        self.assertIn(PAGE, said.pop(ALLOWED))
        self.assertIn("bad address", said.pop(OTHER))
        for destination, text in said.items():
            with self.subTest(destination=destination):
                self.assertRegex(text, "No route to host|Host is unreachable|Permission denied")

    def test_a_policy_by_its_name(self):
        self.agent()
        self.only_the_allowed_name(["--network", "pasta:--egress,agent"])

    def test_a_policy_by_its_file(self):
        path = self.policy(f"{debian13.HOME}/project/agent.toml")
        self.only_the_allowed_name(["--network", f"pasta:--egress,{path}"])

    def test_a_profile(self):
        said = self.visits(ALLOWED, REMOTE4, "host.containers.internal", network=["--network", "pasta:--egress,internet-only"])
        self.assertIn(PAGE, said[ALLOWED])
        for near in (REMOTE4, "host.containers.internal"):
            self.assertNotIn(PAGE, said[near])
            self.assertRegex(said[near], "No route to host|Host is unreachable|Permission denied")

    def test_what_is_in_force_is_found(self):
        """By its user, without any option: which policy the container has, why it may not go somewhere, and what it asked for."""
        path = self.agent()
        self.podman("run", "-d", "--name", "web", "--network", "pasta:--egress,agent", "box", *SERVE)
        self.assertIn(PAGE, self.podman("exec", "web", "wget", "-qO-", f"http://{ALLOWED}/"))
        shown = json.loads(self.tapioca("policy", "show", "--json"))
        self.assertEqual((shown["policy"]["profile"], [(r["text"], r["file"], r["line"]) for r in shown["policy"]["rules"]]), ("deny-all", [(f"{ALLOWED}:80", path, 3)]))
        self.assertIn(f"{path}:3", self.tapioca("policy", "show"))
        self.assertIn(f"{path}:3", self.tapioca("why", f"{ALLOWED}:80"))
        for destination, verdict, ground in ((f"{NAMES[ALLOWED][0]}:80", "allow", "name"), (f"{NAMES[ALLOWED][0]}:81", "deny", "profile"), (f"{REMOTE4}:80", "deny", "profile")):
            with self.subTest(destination=destination):
                answer, = json.loads(self.tapioca("why", destination, "--json"))["answers"]
                self.assertEqual((answer["verdict"], answer["ground"]), (verdict, ground))
        self.assertIn(ALLOWED, self.tapioca("dns"))
        self.assertNotIn(OTHER, self.tapioca("dns"))

    def test_published_ports_are_no_matter_of_the_policy(self):
        self.agent()
        self.podman("run", "-d", "--name", "web", "--network", "pasta:--egress,agent", "-p", "8080:80", "box", *SERVE)
        self.assert_served(8080)

    def test_a_record_of_what_was_contacted(self):
        self.agent()
        log = f"{debian13.HOME}/audit.log"
        self.addCleanup(self.system.run, "rm", "-f", log)
        said = self.visits(ALLOWED, REMOTE4, network=["--network", f"pasta:--egress,agent,--audit-log,{log}"])
        self.assertIn(PAGE, said[ALLOWED])
        wait_until(lambda: not self.daemons(), "end of pasta")
        lines = [json.loads(line) for line in self.system.run("cat", log).stdout.splitlines()]
        self.assertIn(("ended", ALLOWED), [(line["event"], line.get("name")) for line in lines])
        self.assertIn(("refused", REMOTE4), [(line["event"], line["remote"]["address"]) for line in lines if "remote" in line])

    def test_a_fault_is_shown_and_nothing_starts(self):
        path = self.agent('profile = "deny-all"\nallow = ["far.example.net:0"]\n')
        for words, told in (("agent", f'{path}:2: allow: "far.example.net:0"'), ("nobody", "nobody")):
            with self.subTest(words):
                done = self.system.run("podman", "run", "--rm", "--network", f"pasta:--egress,{words}", "box", "true", check=False)
                self.assertEqual(done.returncode, 126)
                self.assertIn("pasta failed with exit code 1:", done.stderr)
                self.assertIn(told, done.stderr)

    def test_all_containers_of_a_bridge_have_one_policy(self):
        """That of their one pasta, which the user sets for all."""
        self.agent()
        self.policy(f"{debian13.HOME}/.config/containers/containers.conf.d/egress.conf", '[network]\npasta_options = ["--egress", "agent"]\n')
        self.podman("network", "create", "--ipv6", "bridge3")
        self.addCleanup(self.podman, "network", "rm", "-f", "-t", "0", "bridge3")
        self.only_the_allowed_name(["--network", "bridge3"])


if __name__ == "__main__":
    debian13.main()
