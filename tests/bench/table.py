#!/usr/bin/env python3
"""The table of doc/performance.md: this program beside its peers, as ratios in one run, in Markdown and as a picture (SVG).

    table.py run --bench BENCH.PY --pasta PROGRAM --peer NAME=KIND:PATH... --ref NAME --json RAW [--rounds 3] [--only PREFIX]
    table.py show --ref NAME --json RAW [--svg PICTURE]

`run` gives each group of workloads to a side-by-side benchmark, which runs all programs in turn and appends a line of JSON for each
measurement; `show` makes the table of what is there. In a ratio, more is better: of a latency the inverse is taken. Where rates
differ by less than a fifth, the processor time of the daemon says more.
"""
import argparse
import collections
import json
import statistics
import subprocess
import sys
from xml.sax.saxutils import escape

GROUPS = (
    ("TCP, host to guest", "tcp-in-(1500|9000|65520)-1,tcp-in-65520-4"),
    ("TCP, guest to host", "tcp-out-(1500|9000|65520)-1,tcp-out-65520-4"),
    ("Loopback, past the tap", "splice-(in|out)-(1|4),rr-splice-(in|out),crr1-splice-(in|out)"),
    ("Requests and connections", "rr-(in|out),crr1-(in|out),crr16-(in|out)"),
    ("Datagrams", "udp-(in|out)-(64|1400|8192),udprr-(in|out),icmp"),
    ("Idle flows", "idle-out-(1000|8000),idle-splice-4000"),
    ("Start", "start-(none|auto|8k)"),
)
LESS_IS_BETTER = {"us p50", "ms", "s"}


def run(words):
    for group, pattern in GROUPS:
        if words.only and not group.startswith(words.only):
            continue
        peers = [word for peer in words.peer for word in ("--peer", peer)]
        subprocess.run([sys.executable, words.bench, "--bin", f"{words.name}=pasta:{words.pasta}", *peers, "--ref", words.ref, "--rounds", str(words.rounds),
                        "--json", words.json, "--workloads", pattern], check=True)


def measured(path):
    """workload -> program -> round -> what was measured."""
    found = collections.defaultdict(lambda: collections.defaultdict(dict))
    with open(path) as file:
        for line in file:
            one = json.loads(line)
            if one.get("value"):
                found[one["workload"]][one["impl"]][one["round"]] = one
    return found


def ratios(of, to, field, inverse):
    """Of each round in which both were measured."""
    pairs = [(of[n].get(field), to[n].get(field)) for n in sorted(set(of) & set(to))]
    return [b / a if inverse else a / b for a, b in pairs if a and b]


def cpu_field(one):
    return next((key for key in sorted(one) if key.startswith("cpu_per_")), "")


def rows(found, ref):
    for workload, programs in found.items():
        for name, rounds in programs.items():
            first = next(iter(rounds.values()))
            values = [one["value"] for one in rounds.values()]
            inverse = first["unit"] in LESS_IS_BETTER or workload.startswith("start")
            base = programs.get(ref, {})
            rate = ratios(rounds, base, "value", inverse)
            cpu = ratios(rounds, base, cpu_field(first), False)
            yield {"workload": workload, "name": name, "unit": first["unit"], "value": statistics.median(values), "low": min(values), "high": max(values),
                   "ratio": statistics.median(rate) if rate else None, "cpu": statistics.median(cpu) if cpu else None,
                   "rss": max(one.get("rss_kb", 0) for one in rounds.values()) / 1024, "rounds": len(values)}


def markdown(table, ref):
    yield f"| workload | program | median | lowest to highest | to {ref} | daemon's processor time, to {ref} | resident, MB | rounds |"
    yield "|---|---|---|---|---|---|---|---|"
    for r in table:
        ratio, cpu = (f"{r[key]:.2f}" if r[key] is not None else "" for key in ("ratio", "cpu"))
        yield (f"| {r['workload']} | {r['name']} | {r['value']:.4g} {r['unit']} | {r['low']:.4g} to {r['high']:.4g} | {ratio} | {cpu if r['rss'] else ''} | "
               f"{r['rss']:.1f} | {r['rounds']} |")


def picture(table, name, ref):
    """A bar for each workload's ratio, on a scale of powers of two; the line in the middle is the peer."""
    import math
    bars = [(r["workload"], r["ratio"]) for r in table if r["name"] == name and r["ratio"]]
    step, left, width = 18, 150, 640
    middle, scale = left + 160, 70
    yield f'<svg xmlns="http://www.w3.org/2000/svg" width="{left + width}" height="{step * len(bars) + 50}" font-family="sans-serif" font-size="12">'
    yield f'<text x="{middle}" y="14" text-anchor="middle">{escape(ref)} = 1</text>'
    for at, (workload, ratio) in enumerate(bars):
        y = 24 + step * at
        end = middle + max(-2.2, min(math.log2(ratio), 6.5)) * scale
        color = "#2a7f3f" if ratio >= 1 else "#b03a2e"
        yield f'<text x="{left - 8}" y="{y + 12}" text-anchor="end">{escape(workload)}</text>'
        yield f'<rect x="{min(middle, end):.1f}" y="{y + 2}" width="{abs(end - middle):.1f}" height="{step - 5}" fill="{color}"/>'
        yield f'<text x="{max(end, middle) + 5:.1f}" y="{y + 12}">{ratio:.2f}</text>'
    yield f'<line x1="{middle}" x2="{middle}" y1="18" y2="{24 + step * len(bars)}" stroke="black"/>'
    yield "</svg>"


def show(words):
    table = list(rows(measured(words.json), words.ref))
    print("\n".join(markdown(table, words.ref)))
    if words.svg:
        with open(words.svg, "w") as file:
            file.write("\n".join(picture(table, words.name, words.ref)) + "\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("action", choices=("run", "show"))
    parser.add_argument("--bench", help="the side-by-side benchmark")
    parser.add_argument("--pasta", help="this program")
    parser.add_argument("--name", default="tapioca", help="what this program is called in the table")
    parser.add_argument("--peer", action="append", default=[], metavar="NAME=KIND:PATH")
    parser.add_argument("--ref", required=True, help="the peer that ratios refer to")
    parser.add_argument("--json", required=True, help="raw results: appended to, or read")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", help="the groups that begin with this")
    parser.add_argument("--svg", help="where the picture goes")
    words = parser.parse_args()
    if words.action == "run" and not (words.bench and words.pasta):
        parser.error("run needs --bench and --pasta")
    (run if words.action == "run" else show)(words)


if __name__ == "__main__":
    main()
