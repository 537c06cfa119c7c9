#!/usr/bin/env python3
"""The links of all Markdown files lead somewhere: files exist, and headings of the same or another file, by the anchors that forges and the site give them."""
import re

import lint

FENCE = re.compile(r"^(```|~~~).*?^\1\s*$", re.M | re.S)
CODE = re.compile(r"`[^`\n]*`")
LINK = re.compile(r"!?\[(?:[^\]\[]|\[[^\]]*\])*\]\(([^)\s]+)(?:\s+\"[^\"]*\")?\)")
HEADING = re.compile(r"^#{1,6}\s+(.+?)\s*#*$", re.M)
NAMED = re.compile(r"<a (?:id|name)=\"([^\"]+)\"")
ELSEWHERE = re.compile(r"^[a-z][a-z0-9+.-]*:")


def anchor(heading):
    """As GitHub makes it of a heading; mkdocs differs only in runs of hyphens, which are reported."""
    text = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", heading).replace("`", "").replace("*", "")
    return re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-")


def anchors(text):
    """Of a repeated heading the second one has -1 behind it, and so on."""
    found, seen = set(NAMED.findall(text)), {}
    for heading in HEADING.findall(FENCE.sub("", text)):
        name = anchor(heading)
        found.add(name if name not in seen else f"{name}-{seen[name]}")
        seen[name] = seen.get(name, 0) + 1
    return found


def fault(root, path, target, known):
    """What is wrong with a link of the file at path; nothing if it leads somewhere, or to another site."""
    if ELSEWHERE.match(target):
        return None
    name, _, fragment = target.partition("#")
    file = (root / path.parent / name).resolve() if name else root / path
    if not file.exists():
        return "there is no such file"
    if not file.is_relative_to(root.resolve()):
        return "it leads out of the tree"
    if fragment and file.suffix == ".md":
        if file not in known:
            known[file] = anchors(file.read_text())
        if fragment not in known[file]:
            return "there is no such heading"
        if "--" in fragment:
            return "forges and the site have different anchors for this heading: give it plainer words"
    return None


def check(root):
    complaints, known = [], {}
    for path in lint.files(root, ".md"):
        text = CODE.sub("", FENCE.sub("", lint.read(root, path)))
        for target in LINK.findall(text):
            if why := fault(root, path, target, known):
                complaints.append(f"{path}: links {target}: {why}")
    return complaints


VIOLATIONS = [
    ("no such file", {"a.md": "[x](b.md)\n"}),
    ("no such file", {"a.md": "![x](b.svg)\n"}),
    ("no such heading", {"a.md": "# One\n[x](#two)\n"}),
    ("no such heading", {"a.md": "[x](doc/b.md#one)\n", "doc/b.md": "```\n# One\n```\n"}),
    ("no such heading", {"a.md": "[x](#one-1)\n# One\n"}),
    ("out of the tree", {"a.md": "[x](../../../../../../etc/passwd)\n"}),
    ("different anchors", {"a.md": "# A - b\n[x](#a---b)\n"}),
]
CLEAN = {"a.md": "# One, `two` 1.2\n# Same\n# Same\n[x](#one-two-12) [y](doc/b.md#a) [z](#same-1) [w](https://example.org/#x) `[v](none.md)`\n```\n[u](none.md)\n```\n",
         "doc/b.md": "[back](../a.md) [dir](../doc)\n## A\n"}

if __name__ == "__main__":
    lint.main(check, VIOLATIONS, CLEAN)
