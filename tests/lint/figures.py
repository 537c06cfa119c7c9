#!/usr/bin/env python3
"""The figures of README.md are those of doc/performance.md: figures.py --write puts them there, without it they are compared."""
import re
import sys

import lint

BEGIN, END = "<!-- figures -->\n", "<!-- end of figures -->\n"
ROW = re.compile(r"^\| ([\w-]+) \| (\w+) \| ([\d.e+]+) ([\w/ ]+?) \| [^|]* \| ([\d.]+) \| [^|]* \| ([\d.]+) \|", re.M)
# What README.md shows: a row of the table of pasta, and its words.
SHOWN = [
    ("tcp-in-1500-1", "TCP to the guest, MTU 1500"),
    ("tcp-in-65520-1", "TCP to the guest, MTU 65520"),
    ("tcp-out-65520-1", "TCP from the guest, MTU 65520"),
    ("udp-in-64", "small datagrams to the guest"),
    ("rr-out", "request and response, TCP"),
    ("crr1-in", "connections, one at a time"),
    ("start-auto", "start of a command, with automatic ports"),
]
UNITS = {"us p50": "µs", "conn/s": "a second", "kpps": "thousand a second"}


def number(text):
    value = float(text)
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 1 else f"{value:.2f}"


def table(performance):
    """The lines that README.md has, of the first table that names each workload: that of pasta."""
    first = {}
    for workload, program, median, unit, ratio, memory in ROW.findall(performance):
        first.setdefault((workload, program), (median, unit, float(ratio), float(memory)))
    lines = ["| | tapioca | pasta | times as fast |", "|---|---|---|---|"]
    for workload, words in SHOWN:
        (ours, unit, ratio, _), (theirs, *_) = first[workload, "tapioca"], first[workload, "pasta"]
        shown = UNITS.get(unit, unit)
        lines.append(f"| {words} | {number(ours)} {shown} | {number(theirs)} {shown} | {number(str(ratio))} |")
    most = {program: max(memory for (_, p), (_, _, _, memory) in first.items() if p == program) for program in ("tapioca", "pasta")}
    lines.append(f"| resident memory, at most | {most['tapioca']:.0f} MB | {most['pasta']:.0f} MB | |")
    return "\n".join(lines) + "\n"


def check(root):
    readme = (root / "README.md").read_text()
    if BEGIN not in readme or END not in readme:
        return ["README.md: no figures between their marks"]
    shown = readme.split(BEGIN)[1].split(END)[0]
    wanted = table((root / "doc/performance.md").read_text())
    return [] if shown == wanted else [f"README.md: figures that are not those of doc/performance.md; tests/lint/figures.py --write changes them to:\n{wanted}"]


def planted(ours="10", memory="5.0"):
    rows = [f"| {workload} | {program} | {value} us p50 | 1 to 2 | 2.00 | 0.5 | {memory} | 3 |" for workload, _ in SHOWN for program, value in (("tapioca", ours), ("pasta", "20"))]
    return "\n".join(rows) + "\n"


PAGE = "x\n" + BEGIN + table(planted()) + END
VIOLATIONS = [
    ("not those", {"README.md": PAGE, "doc/performance.md": planted(ours="11")}),
    ("not those", {"README.md": PAGE, "doc/performance.md": planted(memory="7.0")}),
    ("no figures", {"README.md": "x\n", "doc/performance.md": planted()}),
]

if __name__ == "__main__":
    if sys.argv[1:] == ["--write"]:
        page = lint.ROOT / "README.md"
        before, after = page.read_text().split(BEGIN)[0], page.read_text().split(END)[1]
        page.write_text(before + BEGIN + table((lint.ROOT / "doc/performance.md").read_text()) + END + after)
    lint.main(check, VIOLATIONS, {"README.md": PAGE, "doc/performance.md": planted()})
