#!/usr/bin/env python3
"""How long `pasta --config-net -- true` takes, beside other programs of that command line: all in turn, in one simulated host.

    start.py [--runs N] NAME=PROGRAM...      the first one is what the others are compared with

Prints a table in Markdown: the shortest and the median time of a start, and the processor time of its processes. A busy machine
disturbs the median more than the others. It measures and judges nothing.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
NO_PORTS = ["-t", "none", "-u", "none", "-T", "none", "-U", "none"]
FORMS = {"no ports": NO_PORTS, "automatic": [], "8192 ports": ["-t", "20000-24095", "-u", "20000-24095", *NO_PORTS[4:]]}


def start(program, options):
    """Seconds by the clock and by the processors."""
    begin = time.perf_counter()
    pid = os.posix_spawn(program, ["pasta", "-q", "--config-net", *options, "--", "true"], os.environ)
    _, status, usage = os.wait4(pid, 0)
    end = time.perf_counter()
    if status:
        sys.exit(f"{program} {' '.join(options)}: status {status}")
    return end - begin, usage.ru_utime + usage.ru_stime


def measure(runs, programs):
    """Inside the simulated host, as an ordinary user: each form of each program, in turn."""
    times = {form: {name: [] for name in programs} for form in FORMS}
    for run in range(runs + 1):
        for form, options in FORMS.items():
            for name, program in programs.items():
                times[form][name].append(start(program, options))
    return {form: {name: taken[1:] for name, taken in by_name.items()} for form, by_name in times.items()}    # the first warms up


def row(form, name, taken, base):
    figures = [min(wall for wall, _ in taken), statistics.median(wall for wall, _ in taken), statistics.median(cpu for _, cpu in taken)]
    cells = [f"{1000 * figure:.1f} ms" for figure in figures]
    if base:
        cells = [f"{cell} ({figure / of:.2f})" for cell, figure, of in zip(cells, figures, base)]
    print("|", " | ".join([form, name, *cells]), "|")
    return figures


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=30)
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("programs", nargs="+", metavar="NAME=PROGRAM")
    words = parser.parse_args()
    programs = dict(word.split("=", 1) for word in words.programs)
    if words.inside:
        return print(json.dumps(measure(words.runs, programs)))
    from hosts import PYTHON, USER, SimulatedHost
    host = SimulatedHost()
    try:
        inside = host.argv([PYTHON, os.path.abspath(__file__), "--inside", "--runs", words.runs, *words.programs], USER)
        done = subprocess.run(inside, stdout=subprocess.PIPE, env=host.environment(), check=True)
    finally:
        host.close()
    print("| ports | program | shortest | median | processor |\n|---|---|---|---|---|")
    for form, by_name in json.loads(done.stdout).items():
        base = None
        for name, taken in by_name.items():
            figures = row(form, name, taken, base)
            base = base or figures


if __name__ == "__main__":
    main()
