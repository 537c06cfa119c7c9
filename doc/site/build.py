#!/usr/bin/env python3
"""Makes a static site of the documentation, without any network: doc/site/build.py [DIRECTORY], by default build/site

Needs mkdocs (Debian: mkdocs) and, for the manual pages, mandoc. The site is in DIRECTORY/site; its first page is index.html.
"""
import pathlib
import re
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
SKIP = 77
LINK = re.compile(r"(\]\()([^)#:\s]+)(#[^)]*)?(\))")


def pages():
    """Every page, and what pages show, relative to the root of the tree."""
    found = [p for p in ROOT.glob("*.md")] + [p for p in (ROOT / "doc").rglob("*") if p.suffix in (".md", ".svg", ".css", ".png", ".cast")]
    return sorted(p.relative_to(ROOT) for p in found)


def with_links_of_the_site(text, page):
    """A directory means its README.md, a manual page the text that is made of it, and another file of the tree a copy beside the pages."""
    def replaced(match):
        target = ((ROOT / page).parent / match[2]).resolve()
        name = match[2]
        if target.is_dir():
            name = f"{name.rstrip('/')}/README.md"
        elif re.fullmatch(r"\.\d", target.suffix):
            name += ".md"
        return match[1] + name + (match[3] or "") + match[4]
    return LINK.sub(replaced, text)


def copied(target):
    for page in pages():
        to = target / page
        to.parent.mkdir(parents=True, exist_ok=True)
        if page.suffix == ".md":
            to.write_text(with_links_of_the_site((ROOT / page).read_text(), page))
        else:
            shutil.copyfile(ROOT / page, to)
    shutil.copyfile(ROOT / "LICENSE", target / "LICENSE")


def manuals(target):
    for manual in sorted((ROOT / "doc/man").glob("*.[1-9]")):
        text = subprocess.run(["mandoc", "-T", "markdown", str(manual)], check=True, capture_output=True, text=True).stdout
        text = text.replace("\n# ", "\n## ")      # the title of the page is the heading above them
        (target / "doc/man").mkdir(parents=True, exist_ok=True)
        (target / "doc/man" / f"{manual.name}.md").write_text(f"# {manual.stem}({manual.suffix[1:]})\n\n{text}")


def main():
    missing = [program for program in ("mkdocs", "mandoc") if not shutil.which(program)]
    if missing:
        print(f"skipped: not installed: {' '.join(missing)}")
        return SKIP
    directory = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "build/site"
    directory.mkdir(parents=True, exist_ok=True)
    for old in ("pages", "site"):
        shutil.rmtree(directory / old, ignore_errors=True)
    copied(directory / "pages")
    manuals(directory / "pages")
    shutil.copyfile(ROOT / "doc/site/mkdocs.yml", directory / "mkdocs.yml")
    # Not --quiet: mkdocs would not count its warnings then, such as links to pages that do not exist.
    done = subprocess.run(["mkdocs", "build", "--strict", "--config-file", str(directory / "mkdocs.yml")], stderr=subprocess.PIPE, text=True)
    if done.returncode:
        print(done.stderr, end="", file=sys.stderr)
        return done.returncode
    print(f"{directory}/site/index.html")
    return 0


if __name__ == "__main__":
    sys.exit(main())
