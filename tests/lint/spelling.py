#!/usr/bin/env python3
"""No word of the tree is in codespell's list of usual mistakes. Words that are right here stand in spelling_words.txt."""
import pathlib
import shutil
import subprocess

import lint

WORDS = pathlib.Path(__file__).with_name("spelling_words.txt")
AS_RECEIVED = ("LICENSE", "tests/fuzz/corpus/", "tests/lint/spelling")
NO_WORDS = (".svg", ".cast")


def check(root):
    names = [str(p) for p in lint.files(root) if not str(p).startswith(AS_RECEIVED) and p.suffix not in NO_WORDS and lint.read(root, p) is not None]
    said = subprocess.run(["codespell", "--ignore-words", str(WORDS), *names], cwd=root, capture_output=True, text=True, timeout=100)
    return said.stdout.splitlines()


# Written apart, so that this file does not complain of itself.
VIOLATIONS = [
    ("rec" + "ieve", {"doc/a.md": "to rec" + "ieve\n"}),
    ("sepe" + "rate", {"daemon/a.cpp": "// sepe" + "rate things\n"}),
]

if __name__ == "__main__":
    if not shutil.which("codespell"):
        lint.skip("codespell is not installed")
    lint.main(check, VIOLATIONS, {"doc/a.md": "passt and pasta receive separate frames\n"})
