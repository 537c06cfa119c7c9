#!/usr/bin/env python3
"""How policies of where a guest may connect are given, and what is said of faults in them: by pasta, passt and `tapioca policy check`."""
import json
import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import netns_test
from guests import NO_PORTS, OnSimulatedHost
from hosts import USER


class EgressOptions(OnSimulatedHost, unittest.TestCase):
    def write(self, text, name="policy.toml", mode=0o644):
        path = f"{self.host.dir}/{name}"
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w") as file:
            file.write(text)
        os.chmod(path, mode)
        self.addCleanup(os.remove, path)
        return path

    def pasta(self, *options, uid=USER):
        return self.host.run("env", "-C", self.host.dir, self.host.binary(), "--config-net", *NO_PORTS, *options, "--", "echo", "up", uid=uid, check=False)

    def starts(self, *options):
        done = self.pasta(*options)
        self.assertEqual((done.returncode, done.stdout), (0, "up\n"), done.stderr)
        return done.stderr

    def is_refused(self, *options, program="pasta"):
        argv = [self.host.binary(program), *options]
        done = self.host.run(*argv, uid=USER, check=False)
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        return done.stderr

    def check(self, *words, uid=USER):
        return self.host.run(self.host.binary("tapioca"), "policy", "check", *words, uid=uid, check=False)

    def test_profiles_and_files_are_taken(self):
        path = self.write('profile = "deny-all"\nallow = ["192.0.2.3:80"]')
        self.assertEqual(self.starts("--egress", "internet-only"), "")
        self.assertEqual(self.starts("--egress", "open", f"--egress={path}", "--egress-lock"), "")
        self.assertEqual(self.starts("--egress", "policy.toml"), "")    # in the current directory

    def test_names_of_the_user_s_own_policies_are_found(self):
        self.write("deny = ['@metadata']", ".config/tapioca/egress/agent.toml")
        self.assertEqual(self.starts("--egress", "agent"), "")
        said = self.is_refused("--egress", "agnet")
        self.assertEqual(said, f'--egress: "agnet": there is no such profile, and no file /etc/tapioca/egress.d/agnet.toml nor '
                               f"{self.host.dir}/.config/tapioca/egress/agnet.toml; profiles are open, no-metadata, no-lan, internet-only or deny-all\n")

    def test_each_fault_is_a_line(self):
        path = self.write('profile = "deny"\nallow = ["a.example:0",\n"https://b.example"]\n')
        said = self.is_refused("--egress", path).splitlines()
        self.assertEqual(len(said), 3)
        for line, beginning in zip(sorted(said), ('1: profile: "deny": there is', '2: allow: "a.example:0": port 0', '3: allow: "https://b.example": ')):
            self.assertTrue(line.startswith(f"{path}:{beginning}"), line)
            self.assertIn("; ", line)

    def test_files_that_cannot_be_read_are_named(self):
        secret = self.write("", "secret.toml", 0o600)
        for word, why in ((secret, "Permission denied"), ("./none.toml", "No such file or directory"), (self.host.dir + "/", "Is a directory")):
            with self.subTest(word=word):
                self.assertEqual(self.is_refused("--egress", word), f'--egress: "{word}": the file cannot be read: {why}; write a profile, '
                                                                    "a name or the path of a file\n")
        self.assertIn("it is neither a profile nor the name of a file", self.is_refused("--egress", "a b"))
        self.assertIn("Invalid --egress; ", self.is_refused("--egress", ""))

    def test_passt_takes_the_same(self):
        path = self.write("allow = ['192.0.2.1']")
        said = self.is_refused("-f", "--egress", path, program="passt")
        self.assertEqual(said, f'{path}:1: allow: "192.0.2.1": it changes nothing: the profile is open, which lets that pass; write profile = '
                               '"deny-all" if nothing else may be reached, else leave the rule out\n')

    def test_warnings_stop_nothing(self):
        path = self.write('profile = "deny-all"\ndeny = ["@metadata"]')
        self.assertEqual(self.starts("--egress", path), f'{path}:2: warning: deny: "@metadata": it changes nothing: the profile deny-all denies it, '
                                                        "and no rule allows any of it; leave it out\n")

    def test_a_check_says_what_policies_mean_together(self):
        path = self.write('allow = ["10.0.0.0/8:80,443/tcp", { name = "git.corp.example", private = true }]\n[limit]\nrate = "50mbit"\n'
                          'connections = 200\nquota = "5GiB/day"')
        done = self.check(path, "deny-all")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertEqual(done.stdout, "profile      deny-all: what no rule allows is denied\n"
                                      "mode         enforce\n"
                                      "dns_types    A, AAAA\n"
                                      "rate         50mbit\n"
                                      "connections  200\n"
                                      "quota        5GiB/day\n\n"
                                      "RULE  ACTION  WHOM                   ADDRESSES  WHERE\n"
                                      f"0     allow   10.0.0.0/8:80,443/tcp             {path}:1\n"
                                      f"1     allow   git.corp.example       any        {path}:1\n")

    def test_a_check_fails_where_pasta_would(self):
        path = self.write('allow = ["a.example"]\ntls = "no"')
        done = self.check(path)
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        self.assertEqual(done.stderr, self.is_refused("--egress", path))
        self.assertEqual(self.check("policy.tmol").returncode, 1)
        for words in ((), ("chek", path)):
            done = self.host.run(self.host.binary("tapioca"), "policy", *(words or ("check",)), uid=USER, check=False)
            self.assertEqual(done.returncode, 2)

    def test_a_check_for_programs_is_json(self):
        path = self.write('profile = "deny-all"\nallow = ["B\u00dcCHER.example:443"]\ndeny = ["c.example"]\ndns_types = ["txt"]\ntls = "sni"')
        done = self.check("--json", path)
        said = json.loads(done.stdout)
        self.assertEqual(done.returncode, 0)
        self.assertEqual(said["policy"], {"profile": "deny-all", "mode": "enforce", "tls": "sni", "dns_types": ["TXT"], "rules": [
            {"number": 0, "action": "allow", "text": "B\u00dcCHER.example:443", "file": path, "line": 2},
            {"number": 1, "action": "deny", "text": "c.example", "file": path, "line": 3}]})
        self.assertEqual([(f["severity"], f["line"], f["value"]) for f in said["findings"]], [("warning", 3, "c.example")])
        done = self.check("--json", "nothing.toml")
        self.assertEqual((done.returncode, list(json.loads(done.stdout))), (1, ["findings"]))


if __name__ == "__main__":
    netns_test.main()
