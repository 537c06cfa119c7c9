#!/usr/bin/env python3
"""The site of the documentation can be built, without a warning; it has every page of doc, and fetches nothing from other servers."""
import pathlib
import re
import subprocess
import sys
import tempfile

import lint

FETCHED = re.compile(r"<(?:script|img|iframe)[^>]*\bsrc=\"(?:https?:)?//[^\"]*\"|<link[^>]*\brel=\"(?:stylesheet|shortcut icon|preload)\"[^>]*\bhref=\"(?:https?:)?//[^\"]*\"")
LOCAL = re.compile(r"\b(?:href|src)=\"([^\"#:]+)(?:#([^\"]*))?\"")
ID = re.compile(r"\bid=\"([^\"]*)\"")


def page_of(markdown):
    """Where the site has the page that is made of a file."""
    return markdown.with_name("index.html") if markdown.name == "README.md" else markdown.with_suffix(".html")


def faults(site, expected):
    """What is wrong with a site that has been built at site; expected are the paths that it must have."""
    found = [f"{page}: missing" for page in expected if not (site / page).exists()]
    pages = {p: p.read_text() for p in site.rglob("*.html")}
    for page, text in pages.items():
        name = page.relative_to(site)
        found += [f"{name}: fetches {what}" for what in FETCHED.findall(text)]
        for target, fragment in LOCAL.findall(text):
            if name.name == "404.html" or target.startswith("mailto"):      # its links are those of any place
                continue
            to = (page.parent / target).resolve()
            if not to.exists():
                found.append(f"{name}: links {target}, which does not exist")
            elif fragment and to in pages and fragment not in ID.findall(pages[to]):
                found.append(f"{name}: links {target}#{fragment}, which has no such heading")
    return found


def self_test():
    with tempfile.TemporaryDirectory(prefix="tapioca-lint-") as directory:
        site = pathlib.Path(directory).resolve()
        lint.plant(site, {"a.html": '<script src="https://x.example/a.js"></script><a href="b.html#two"></a><a href="c.html"></a>', "b.html": '<h1 id="one"></h1>'})
        found = "\n".join(faults(site, ["d.html"]))
        return all(words in found for words in ("d.html: missing", "fetches", "no such heading", "c.html, which does not exist"))


def main():
    with tempfile.TemporaryDirectory(prefix="tapioca-site-") as directory:
        done = subprocess.run([sys.executable, str(lint.ROOT / "doc/site/build.py"), directory], capture_output=True, text=True, timeout=100)
        if done.returncode == lint.SKIP:
            lint.skip(done.stdout.strip().removeprefix("skipped: "))
        expected = [page_of(p) for p in lint.files(lint.ROOT, ".md") if str(p).startswith("doc/") or "/" not in str(p)]
        found = [done.stderr] if done.returncode else faults(pathlib.Path(directory).resolve() / "site", expected)
    if not self_test():
        found.append("self-test: planted faults were not found")
    for fault in found:
        print(fault)
    print(f"{0 if found else 1} passed, {1 if found else 0} failed")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
