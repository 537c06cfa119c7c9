#!/usr/bin/env python3
"""The manual pages are well-formed: mandoc -T lint has nothing to say of them."""
import shutil
import subprocess

import lint

# Whether another page is installed here says nothing about ours.
ELSEWHERE = "referenced manual not found"


def check(root):
    complaints = []
    for path in lint.files(root, ".1", ".5"):
        said = subprocess.run(["mandoc", "-T", "lint", "-W", "style", str(path)], cwd=root, capture_output=True, text=True, timeout=60)
        complaints += [line for line in said.stdout.splitlines() if ELSEWHERE not in line]
    return complaints


PAGE = ".Dd November 21, 2026\n.Dt A 1\n.Os\n.Sh NAME\n.Nm a\n.Nd what it is\n.Sh DESCRIPTION\nA sentence about\n.Xr nobody_knows_it 1 .\n"
VIOLATIONS = [
    ("unknown macro", {"doc/man/a.1": PAGE + ".Xyz\n"}),
    ("no blank before trailing delimiter", {"doc/man/a.1": PAGE + ".Xr cat 1.\n"}),
    ("missing date", {"doc/man/a.1": PAGE.replace(".Dd November 21, 2026\n", "")}),
]

if __name__ == "__main__":
    if not shutil.which("mandoc"):
        lint.skip("mandoc is not installed")
    lint.main(check, VIOLATIONS, {"doc/man/a.1": PAGE})
