#!/usr/bin/env python3
"""The version of CMakeLists.txt is the only one: the packages' own files, whose formats need it, repeat it."""
import re

import lint

PLACE = "CMakeLists.txt", re.compile(r"^project\(tapioca VERSION ([\d.]+) ", re.M)
REPEATED = [
    ("packaging/debian/changelog", re.compile(r"\Atapioca \(([\d.]+)-\d+\) ")),
    ("packaging/rpm/tapioca.spec", re.compile(r"^Version:\s+(\S+)$", re.M)),
    ("packaging/selinux/tapioca.te", re.compile(r"^policy_module\(tapioca, ([\d.]+)\)", re.M)),
    ("doc/changelog.md", re.compile(r"^## ([\d.]+), (?:not released yet|\d{4}-\d\d-\d\d)$", re.M)),
]


def version_in(root, name, pattern):
    found = pattern.search((root / name).read_text()) if (root / name).exists() else None
    return found and found[1]


def check(root):
    version = version_in(root, *PLACE)
    if not version:
        return [f"{PLACE[0]}: names no version"]
    complaints = []
    for name, pattern in REPEATED:
        found = version_in(root, name, pattern)
        if found != version:
            complaints.append(f"{name}: has version {found}, {PLACE[0]} has {version}")
    return complaints


CLEAN = {"CMakeLists.txt": "project(tapioca VERSION 1.2.3 LANGUAGES CXX)\n", "packaging/debian/changelog": "tapioca (1.2.3-1) bookworm; urgency=medium\n",
         "packaging/rpm/tapioca.spec": "Name: tapioca\nVersion:  1.2.3\n", "packaging/selinux/tapioca.te": "policy_module(tapioca, 1.2.3)\n",
         "doc/changelog.md": "# What changed\n\n## 1.2.3, 2030-01-31\n\n## 1.2.2, 2030-01-01\n"}
VIOLATIONS = [(name, {**CLEAN, name: CLEAN[name].replace("1.2.3", "1.2.4")}) for name, _ in REPEATED]
VIOLATIONS += [("names no version", {**CLEAN, "CMakeLists.txt": "project(tapioca LANGUAGES CXX)\n"}),
               ("doc/changelog.md: has version None", {**CLEAN, "doc/changelog.md": "## 1.2.3\n"})]

if __name__ == "__main__":
    lint.main(check, VIOLATIONS, CLEAN)
