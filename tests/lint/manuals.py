#!/usr/bin/env python3
"""The manual pages say what the programs can do: manuals.py DIRECTORY_OF_PASST_PASTA_PESTO_AND_TAPIOCA QRAP

Every option of --help is in the manual and the reverse, with and without a value as there, and "not in this build" in both or in
neither. The options of the other program are refused as the manual says. What passt(1) and pasta(1) both have is worded alike.
README.md names what is not in this build, wholly or in part.
"""
import re
import subprocess
import sys

import lint

HELP_COLUMN = 32
MACROS = {"Ar", "Cm", "Ns", "Op", "Oo", "Pa", "Pq", "Va"}
HELP_LINE = re.compile(r"^  (?:-(\w), |    )--([\w-]+)(?: (\S+))?")
# What is explained differently on purpose.
DIFFERENT = {"--fd", "--foreground", "--pcap", "--workers", "--hostname", "--no-ra", "--tcp-ports", "--no-splice"}
OTHER = {"passt": "pasta", "pasta": "passt"}


class Option:
    def __init__(self, names, value=False, text=""):
        self.names, self.value, self.text = frozenset(names), bool(value), text

    @property
    def built(self):
        return "not in this build" not in self.text.lower()

    def __str__(self):
        return ", ".join(sorted(self.names))


def of_help(text):
    """The options of a usage text; lines with the same letter are names of one option."""
    found = []
    for line in text.splitlines():
        # The explanation begins at its column, or in the next line if there is no room for a blank before it.
        left = line[:HELP_COLUMN] if line[HELP_COLUMN - 1:HELP_COLUMN] == " " else line
        if match := HELP_LINE.match(left):
            letter, name, value = match.groups()
            names = {"--" + name} | ({"-" + letter} if letter else set())
            before = next((o for o in found if letter and "-" + letter in o.names), None)
            if before:
                before.names |= names
            else:
                found.append(Option(names, value, line[HELP_COLUMN:]))
        elif found and line.startswith(" " * HELP_COLUMN):
            found[-1].text += " " + line.strip()
    return found


# Named in pesto(1), and an option of the daemon.
FOREIGN = [Option(["-c", "--conf-path"], True)]
# Likewise in tapioca(1).
FOREIGN_TO_TAPIOCA = [Option(["--pid"], True), Option(["--log-file"], True), Option(["--egress"], True),
                      Option(["--egress-lock"], False), Option(["--audit-log"], True)]


def flags_of(line):
    """The arguments of the macro Fl in a line: ".It Fl t , -tcp-ports Ar spec" has -t and --tcp-ports."""
    words = line.replace(".Fl", "Fl", 1).split()
    if "Fl" not in words:
        return []
    after = words[words.index("Fl") + 1:]
    macro = next((i for i, word in enumerate(after) if word in MACROS), len(after))
    return ["-" + word for word in after[:macro] if re.fullmatch(r"-?\w[\w-]*", word)]


def of_manual(text):
    """(options that have an item, names that are said to be the other program's, all names anywhere)"""
    items, others, everywhere, current, chapter, section = [], [], set(), None, "", ""
    for line in text.splitlines():
        everywhere.update(flags_of(line))
        if line.startswith(".Sh "):
            chapter, section = line[4:], ""
        if line.startswith(".Ss "):
            section = line[4:]
        if line.startswith((".Sh ", ".Ss ", ".El", ".It ")):
            current = None
        if chapter != "OPTIONS":
            continue
        if line.startswith(".It Fl "):
            current = Option(flags_of(line), " Ar " in line)
            items.append(current)
        elif current:
            current.text += " " + line
        elif section.startswith("Options of "):
            others += flags_of(line)
    return items, others, everywhere


def option_faults(page, items, others, everywhere, offered, foreign):
    known = {name for option in offered + foreign for name in option.names}
    for option in offered:
        mine = [i for i in items if i.names & option.names]
        if len(mine) > 1:
            yield f"{page}: {option} has {len(mine)} items"
        if mine:
            if mine[0].names != option.names:
                yield f"{page}: {mine[0]}, but --help has {option}"
            if mine[0].value != option.value:
                yield f"{page}: {option}: takes a value in one of manual and --help only"
            if mine[0].built != option.built:
                yield f"{page}: {option}: not in this build, says one of manual and --help"
        elif not option.names <= set(others):
            yield f"{page}: {option} is missing"
    for name in sorted(everywhere - known):
        yield f"{page}: {name} is no option"


def refusal_faults(root, program, others, offered):
    """What is listed as the other program's is refused at once. A refusal comes before the --version behind it."""
    for option in offered:
        if option.built and option.names & set(others):
            name = min(option.names, key=len) if len(option.names) == 1 else next(n for n in option.names if n.startswith("--"))
            done = run(root, program, name, *(["x"] if option.value else []), "--version")
            if done is not None and (done.returncode != 1 or "mode only" not in done.stderr):
                yield f"{program}.1: {name} is not refused: status {done.returncode}: {done.stderr.strip()}"


def wording_faults(pages):
    first, second = (pages[p][0] for p in ("passt", "pasta"))
    for mine in first:
        for theirs in second:
            if mine.names & theirs.names:
                alike, exempt = mine.text == theirs.text, bool(mine.names & DIFFERENT)
                if not alike and not exempt:
                    yield f"{mine} is worded differently in passt.1 and pasta.1"
                if alike and exempt:
                    yield f"{mine} is worded alike in passt.1 and pasta.1: take it out of the list of exceptions"


def qrap_faults(page, usage):
    """qrap has no option but --help; what its usage text names, its manual names too."""
    if of_manual(page)[2] - {"--help"}:
        yield "qrap.1: an option, but qrap has none"
    for word in sorted(set(re.findall(r"\b(?:FDNUM|PASST_SOCKET)\b|/[\w/.-]+\w|qemu[\w-]+|kvm", usage))):
        if word.lower() not in page.lower():
            yield f"qrap.1: {word} of the usage text is missing"


def readme_faults(text, offered):
    refused = re.search(r"is refused by its name.*?(?=\n- |\Z)", text, re.S)
    named = set(re.findall(r"`(--[\w-]+)`", refused[0])) if refused else set()
    missing = {next(n for n in option.names if n.startswith("--")) for option in offered if "in this build" in option.text}
    for name in sorted(named ^ missing):
        yield f"README.md: {name} is {'built' if name in named else 'not in this build'}"


def run(root, program, *words):
    """None in a planted tree, which has no programs."""
    if root != lint.ROOT:
        return None
    return subprocess.run([f"{sys.argv[1]}/{program}", *words], capture_output=True, text=True, timeout=60)


def usage(root, program):
    if root != lint.ROOT:
        return (root / f"help/{program}").read_text()
    if program == "qrap":
        return subprocess.run([sys.argv[2], "--help"], capture_output=True, text=True, timeout=60).stdout
    return run(root, program, "--help").stdout


def check(root):
    pages, complaints = {}, []
    helps = {p: of_help(usage(root, p)) for p in OTHER}
    for program, other in OTHER.items():
        items, others, everywhere = pages[program] = of_manual(lint.read(root, f"doc/man/{program}.1"))
        complaints += option_faults(f"{program}.1", items, others, everywhere, helps[program], helps[other])
        complaints += refusal_faults(root, program, others, helps[program] + helps[other])
    complaints += wording_faults(pages)
    complaints += option_faults("pesto.1", *of_manual(lint.read(root, "doc/man/pesto.1")), of_help(usage(root, "pesto")), FOREIGN)
    complaints += option_faults("tapioca.1", *of_manual(lint.read(root, "doc/man/tapioca.1")), of_help(usage(root, "tapioca")), FOREIGN_TO_TAPIOCA)
    complaints += readme_faults(lint.read(root, "README.md"), helps["passt"] + helps["pasta"])
    complaints += qrap_faults(lint.read(root, "doc/man/qrap.1"), usage(root, "qrap"))
    return complaints


HELP = "Usage: x [OPTION]...\n\nGroup:\n" + "  -m, --mtu MTU".ljust(32) + "Its MTU\n" + "      --fast".ljust(32) + "Faster\n" + \
    " " * 32 + "(not in this build)\n" + f"      --{'x' * 23} As long as there is room\n"
PAGE = ".Sh OPTIONS\n.It Fl m , -mtu Ar mtu\nThe MTU.\n.It Fl -fast\nNot in this build.\n" + \
    f".It Fl -{'x' * 23}\nSo.\n.El\n"
README = "What is not built is refused by its name: `--fast`.\n- `--mtu`\n"
QRAP = "qrap.1\n.Ar fdnum\n.Pa /tmp/passt_1.socket\n"


def planted(passt=PAGE, pasta=PAGE, qrap=QRAP, readme=README, pesto=PAGE, tapioca=PAGE):
    return {"README.md": readme, "help/passt": HELP, "help/pasta": HELP, "help/pesto": HELP, "help/tapioca": HELP, "help/qrap": "FDNUM: /tmp/passt_1.socket\n",
            "doc/man/passt.1": passt, "doc/man/pasta.1": pasta, "doc/man/qrap.1": qrap, "doc/man/pesto.1": pesto,
            "doc/man/tapioca.1": tapioca}


VIOLATIONS = [
    ("passt.1: --mtu, -m is missing", planted(passt=PAGE.replace(".It Fl m , -mtu Ar mtu\nThe MTU.\n", ""))),
    ("but --help has --mtu, -m", planted(passt=PAGE.replace("Fl m , ", "Fl "))),
    ("pasta.1: --mtu, -m: takes a value", planted(pasta=PAGE.replace(" Ar mtu", ""))),
    ("xxx: takes a value", planted(passt=PAGE.replace("xxx\n", "xxx Ar x\n"))),
    ("passt.1: --fast has 2 items", planted(passt=PAGE.replace(".El", ".It Fl -fast\nNot in this build, again.\n.El"))),
    ("--fast: not in this build", planted(pasta=PAGE.replace("Not in this build", "Yes"))),
    ("passt.1: --slow is no option", planted(passt=PAGE.replace(".El", ".It Fl -slow\nNo.\n.El"))),
    ("pasta.1: --slow is no option", planted(pasta=PAGE + "Unlike\n.Fl -slow .\n")),
    ("--mtu, -m is worded differently", planted(pasta=PAGE.replace("The MTU", "An MTU"))),
    ("README.md: --mtu is built", planted(readme=README.replace(".", " and `--mtu`."))),
    ("README.md: --fast is not in this build", planted(readme=README.replace("`--fast`", "none"))),
    ("tapioca.1: --mtu, -m is missing", planted(tapioca=PAGE.replace(".It Fl m , -mtu Ar mtu\nThe MTU.\n", ""))),
    ("pesto.1: --mtu, -m is missing", planted(pesto=PAGE.replace(".It Fl m , -mtu Ar mtu\nThe MTU.\n", ""))),
    ("qrap.1: FDNUM", planted(qrap=QRAP.replace("fdnum", "fd"))),
    ("qrap.1: an option", planted(qrap=QRAP + ".It Fl x\nNo.\n")),
]

if __name__ == "__main__":
    lint.main(check, VIOLATIONS, planted())
