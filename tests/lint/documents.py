#!/usr/bin/env python3
"""What the documents name exists: the commands of their sh blocks, presets, labels, and the files that they link."""
import json
import os
import re

import lint

SH_BLOCK = re.compile(r"^```sh\n(.*?)^```", re.M | re.S)
LINK = re.compile(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)")
SCRIPT = re.compile(r"(?:^|[|&;]\s*|\bsudo )(\.?\.?[\w-]*(?:/[\w.-]+)+)")
LABELS = {"unit", "sim", "lint", "netns", "guest", "fuzz"}


def presets(root):
    file = root / "CMakePresets.json"
    return {p["name"] for p in json.loads(file.read_text())["configurePresets"]} if file.exists() else set()


def command_faults(root, line):
    for name in SCRIPT.findall(line):
        if name.startswith(("build/", "./build/")):  # what a build makes
            continue
        if not os.access(root / name, os.X_OK):
            yield f"{name} is not a program of this tree"
    for name in re.findall(r"--preset[ =](\w+)", line):
        if name not in presets(root):
            yield f"no preset {name}"
    labels = re.findall(r"ctest .*-L ['\"]?([\w|]+)", line)
    if check_words := re.search(r"\./check((?: \w+)+)", line):
        labels += check_words[1].split()
    for name in "|".join(labels).split("|"):
        if name and name not in LABELS:
            yield f"no label {name}"


def check(root):
    complaints = []
    for path in lint.files(root, ".md"):
        text = lint.read(root, path)
        for block in SH_BLOCK.findall(text):
            for line in block.splitlines():
                complaints += [f"{path}: {fault}: {line}" for fault in command_faults(root, line.split("#")[0].strip())]
        for target in LINK.findall(text):
            if not (root / path.parent / target).exists():
                complaints.append(f"{path}: links {target}, which does not exist")
    return complaints


VIOLATIONS = [
    ("./runn is not a program", {"README.md": "```sh\n./runn\n```\n"}),
    ("no preset fast", {"README.md": "```sh\ncmake --preset fast\n```\n", "CMakePresets.json": '{"configurePresets": []}'}),
    ("no label units", {"README.md": "```sh\nctest --test-dir build/dev -L units\n```\n"}),
    ("links doc/none.md", {"README.md": "[a](doc/none.md)\n"}),
]
CLEAN = {"README.md": "[a](doc/a.md#part) [b](https://example.org/)\n```sh\ncurl https://example.org/x && build/release/daemon/pasta\n```\n",
         "doc/a.md": "[back](../README.md)\n"}

if __name__ == "__main__":
    lint.main(check, VIOLATIONS, CLEAN)
