#!/usr/bin/env python3
"""Adds up what ./check ran: the JUnit files and lists that ctest wrote, and the steps that ctest does not count.

usage: tally.py DIRECTORY [LABEL...]      each LABEL must have had at least one test

A test program counts as one, unless its output says how many cases it holds: Catch2's summary, or a last line
"N passed, N failed, N skipped". Prints the reason of everything that was skipped; the last line is the count.
Exit status 1 if anything failed, a label had no test, or nothing passed.
"""
import json
import pathlib
import re
import sys
import xml.etree.ElementTree as ET

OWN_COUNT = re.compile(r"^(\d+) passed, (\d+) failed(?:, (\d+) skipped)?$", re.M)
CATCH_ALL = re.compile(r"^All tests passed \(\d+ assertions? in (\d+) test cases?\)", re.M)
CATCH_SOME = re.compile(r"^test cases: *(\d+) *\|(?: *(\d+) passed *\|?)?(?: *(\d+) failed(?! as expected))?", re.M)
SKIP_LINE = re.compile(r"^.*\bskip(?:ped|ping|:).*$", re.M | re.I)


def cases_in(output):
    """(passed, failed, skipped) as the program itself reports them, or None."""
    if own := OWN_COUNT.findall(output):
        return tuple(int(n or 0) for n in own[-1])
    if everything := CATCH_ALL.findall(output):
        return int(everything[-1]), 0, 0
    if some := CATCH_SOME.findall(output):
        return int(some[-1][1] or 0), int(some[-1][2] or 0), 0
    return None


def count_case(case):
    """One <testcase> of ctest: (passed, failed, skipped, reasons)."""
    output = case.findtext("system-out") or ""
    status = case.get("status")
    reasons = [line.strip() for line in SKIP_LINE.findall(output) if not OWN_COUNT.match(line.strip())]
    if status in ("notrun", "disabled"):
        why = case.find("skipped")
        return 0, 0, 1, reasons or [why.get("message", "no reason given") if why is not None else "no reason given"]
    passed, failed, skipped = cases_in(output) or (1, 0, 0)
    if status != "run" or case.find("failure") is not None:
        # The exit status has the last word: a program that died after its last good case has failed.
        if failed == 0:
            passed, failed = (passed, 1) if cases_in(output) else (0, 1)
    return passed, failed, skipped, reasons if skipped else []


def labels_of(listing):
    """Test name -> its labels, from ctest --show-only=json-v1 (the JUnit file of CMake 3.25 leaves them out)."""
    tests = json.loads(listing.read_text()).get("tests", [])
    return {t["name"]: next((p["value"] for p in t["properties"] if p["name"] == "LABELS"), []) for t in tests}


def add_up(directory, required):
    """Prints failures and skips; returns (passed, failed, skipped)."""
    passed = failed = skipped = 0
    heard = set()
    for listing in sorted(directory.glob("*.json")):
        labels, results = labels_of(listing), listing.with_suffix(".xml")
        cases = list(ET.parse(results).getroot().iter("testcase")) if results.exists() else []
        silent = set(labels) - {case.get("name") for case in cases}
        failed += len(silent)
        for name in sorted(silent):
            print(f"FAILED   {listing.stem}/{name}: no result")
        for case in cases:
            p, f, s, reasons = count_case(case)
            passed, failed, skipped = passed + p, failed + f, skipped + s
            heard.update(labels.get(case.get("name"), []))
            name = f"{listing.stem}/{case.get('name')}"
            if f:
                print(f"FAILED   {name}")
            for reason in reasons:
                print(f"skipped  {name}: {reason}")
    steps = directory / "steps"
    for line in steps.read_text().splitlines() if steps.exists() else []:
        outcome, name = line.split(" ", 1)
        passed, failed, skipped = passed + (outcome == "passed"), failed + (outcome == "failed"), skipped + (outcome == "skipped")
        if outcome != "passed":
            print(f"FAILED   {name}" if outcome == "failed" else f"skipped  {name}")
    for label in required:
        if label not in heard:
            print(f"FAILED   no test with the label {label} ran")
            failed += 1
    return passed, failed, skipped


def main():
    passed, failed, skipped = add_up(pathlib.Path(sys.argv[1]), sys.argv[2:])
    print(f"{passed} passed, {failed} failed" + (f", {skipped} skipped" if skipped else ""))
    sys.exit(1 if failed or not passed else 0)


if __name__ == "__main__":
    main()
