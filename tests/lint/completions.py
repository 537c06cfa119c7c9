#!/usr/bin/env python3
"""The completions of the shells offer what the programs take: completions.py DIRECTORY_OF_COMPLETIONS

Each offers the options of the manual that are built, neither more nor less. bash's are run on command lines; the shells that are
installed read theirs without complaint.
"""
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

import lint
import manuals

PROGRAMS = (*manuals.OTHER, "pesto", "tapioca")
FILES = {"bash": "bash/{}", "zsh": "zsh/_{}", "fish": "fish/{}.fish"}


def offered_by_bash(text):
    return re.search(r"-W '([^']*)'", text)[1].split()


def offered_by_zsh(text):
    """Each line begins with the names: "'(-m --mtu)'", or for what may be repeated "'*'{-t+,--tcp-ports=}'["."""
    heads = re.findall(r"^    '(?:\((.*?)\)'|\*'(.*?)'\[)", text, re.M)
    return re.findall(r"(?<![\w-])--?\w[\w-]*", " ".join(once or again for once, again in heads))


def offered_by_fish(text):
    letters = re.findall(r"^complete -c \w+ -s (\w)", text, re.M)
    heads = [line.split(" '")[0] for line in text.splitlines() if "subcommand" not in line]
    return ["-" + letter for letter in letters] + ["--" + name for head in heads for name in re.findall(r" -l (\S+)", head)]


OFFERED = {"bash": offered_by_bash, "zsh": offered_by_zsh, "fish": offered_by_fish}


def path(shell, program):
    return f"{DIRECTORY}/{FILES[shell].format(program)}"


def of_manual(program):
    """The options that can be used: --no-splice has no effect in passt."""
    items = manuals.of_manual(lint.read(lint.ROOT, f"doc/man/{program}.1"))[0]
    return {name for item in items if item.built for name in item.names} - ({"--no-splice"} if program == "passt" else set())


def candidates(program, *words):
    """What bash offers for the last word."""
    script = '. "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _$1; printf "%s\\n" "${COMPREPLY[@]}"'
    done = subprocess.run(["bash", "-c", script, "bash", path("bash", program), program, *words], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 and not done.stderr, done.stderr
    return done.stdout.split()


class Completions(unittest.TestCase):
    def test_each_shell_offers_the_options_of_the_manual(self):
        for shell in FILES:
            for program in PROGRAMS:
                with self.subTest(shell=shell, program=program), open(path(shell, program)) as file:
                    self.assertEqual(sorted(set(OFFERED[shell](file.read()))), sorted(of_manual(program)))

    def test_shells_read_them(self):
        for shell in FILES:
            for program in PROGRAMS:
                if shutil.which(shell):
                    with self.subTest(shell=shell, program=program):
                        done = subprocess.run([shell, "-n", path(shell, program)], capture_output=True, text=True, timeout=60)
                        self.assertEqual((done.returncode, done.stderr), (0, ""))

    def test_bash_offers_options(self):
        self.assertEqual(candidates("pasta", "--no-map"), ["--no-map-gw"])
        self.assertEqual(candidates("passt", "--socket"), ["--socket", "--socket-path"])
        self.assertEqual(candidates("passt", "--netns"), [])
        for before in (("-q",), ("-qP", "file"), ("-t8080",), ("--tcp-ports", "8080"), ("--tcp-ports", "=", "8080"), ("-t", "8080", ":", "80")):
            with self.subTest(before=before):
                self.assertEqual(candidates("pasta", *before, "--fore"), ["--foreground"])

    def test_bash_offers_values(self):
        for before in (("-t",), ("-qt",), ("--tcp-ports",), ("--tcp-ports", "=")):
            with self.subTest(before=before):
                self.assertEqual(candidates("pasta", *before, "a"), ["all", "auto"])
        self.assertEqual(candidates("pasta", "--tcp-ports", "="), ["none", "all", "auto"])
        self.assertEqual(candidates("passt", "-t", "a"), ["all"])
        self.assertEqual(candidates("pasta", "--mtu", "--fore"), [])
        self.assertEqual(candidates("pasta", "-t", "8080", ":", ""), [])
        self.assertIn("lo", candidates("pasta", "-i", ""))
        self.assertIn("root", candidates("passt", "--runas", "ro"))
        with tempfile.NamedTemporaryFile(prefix="tapioca-") as file:
            self.assertEqual(candidates("passt", "--pid", file.name[:-1]), [file.name])
            self.assertEqual(candidates("pasta", "true", file.name[:-1]), [file.name])

    def test_bash_offers_files_and_options_of_pesto(self):
        self.assertEqual(candidates("pesto", "-C", ""), ["HOST", "SPLICE"])
        self.assertEqual(candidates("pesto", "-At", "a"), ["all", "auto"])
        self.assertEqual(candidates("pesto", "a.socket", "--cl"), ["--clear"])
        with tempfile.NamedTemporaryFile(prefix="tapioca-") as file:
            self.assertEqual(candidates("pesto", "-A", "-t", "80", file.name[:-1]), [file.name])

    def test_bash_offers_commands_of_tapioca(self):
        commands = re.findall(r"^\.It Cm (\w+)", lint.read(lint.ROOT, "doc/man/tapioca.1"), re.M)
        self.assertEqual(candidates("tapioca", "--json", ""), list(dict.fromkeys(commands)))      # rules has several forms
        self.assertEqual(candidates("tapioca", "--control", "a.socket", "p"), ["ps", "policy"])
        self.assertEqual(candidates("tapioca", "ps", "m"), [])
        self.assertEqual(candidates("tapioca", "ps", "--js"), ["--json"])

    def test_bash_offers_the_options_of_tapioca_capture(self):
        options = {name for item in manuals.of_manual(lint.read(lint.ROOT, "doc/man/tapioca-capture.1"))[0] for name in item.names}
        self.assertEqual(set(candidates("tapioca", "capture", "4711", "-")), options)
        self.assertEqual(candidates("tapioca", "capture", "-Q", ""), ["in", "out"])

    def test_bash_offers_commands_of_pasta(self):
        for before in ((), ("--config-net", "--"), ("--mtu", "1500")):
            with self.subTest(before=before):
                self.assertIn("true", candidates("pasta", *before, "tru"))
        self.assertEqual(candidates("pasta", "true", "--no-map"), [])
        self.assertEqual(candidates("passt", "tru"), [])
        self.assertEqual(candidates("passt", "true", "--sock"), [])


if __name__ == "__main__":
    DIRECTORY = sys.argv.pop(1)
    outcome = unittest.main(verbosity=0, exit=False).result
    failed = len(outcome.failures) + len(outcome.errors)
    print(f"{max(outcome.testsRun - failed, 0)} passed, {failed} failed")
    sys.exit(failed > 0)
