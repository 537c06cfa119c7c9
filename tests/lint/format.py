#!/usr/bin/env python3
"""The layout is .clang-format's, as version 14 understands it; another version would disagree in places, so it is not asked."""
import re
import shutil
import subprocess

import lint


def formatter():
    for name in ("clang-format-14", "clang-format"):
        if shutil.which(name):
            version = subprocess.run([name, "--version"], capture_output=True, text=True).stdout
            if re.search(r"version 14\.", version):
                return name
    return None


def check(root):
    style = "--style=file:" + str(lint.ROOT / ".clang-format")
    paths = [str(root / p) for p in lint.files(root, *lint.COMPILED)]
    complaints = []
    for start in range(0, len(paths), 50):
        made = subprocess.run([formatter(), style, "--dry-run", "-Werror", "--ferror-limit=1", *paths[start:start + 50]],
                              capture_output=True, text=True)
        complaints += [line.replace(f"{root}/", "") for line in made.stderr.splitlines() if "error:" in line]
    return complaints


VIOLATIONS = [("error", {"proto/base/a.cpp": "int  f( ) {return 1;}\n"})]
CLEAN = {"proto/base/a.cpp": "int f() { return 1; }\n"}

if __name__ == "__main__":
    if not formatter():
        lint.skip("no clang-format of version 14 (package clang-format-14)")
    lint.main(check, VIOLATIONS, CLEAN)
