"""What the lints share: the files of the tree, and a frame that proves each lint by planted violations before it is believed."""
import os
import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
SKIP = 77  # what ctest is told to take as "could not run here"
COMPILED = (".hpp", ".cpp")


def files(root, *suffixes):
    """Paths below root, relative and sorted: what git tracks or would track, or everything where there is no git."""
    names = None
    if (root / ".git").exists():
        listing = subprocess.run(["git", "-c", f"safe.directory={root}", "-C", str(root), "ls-files", "-z", "--cached", "--others",
                                  "--exclude-standard"], capture_output=True, text=True)
        if listing.returncode == 0:
            names = listing.stdout.split("\0")
    if names is None:
        names = [str(p.relative_to(root)) for p in root.rglob("*")]
        names = [n for n in names if not n.startswith("build/") and "__pycache__" not in n]
    paths = (pathlib.PurePosixPath(n) for n in names if n)
    return sorted(p for p in paths if (not suffixes or p.suffix in suffixes) and (root / p).is_file())


def read(root, path):
    """The text of a file; None where it is not text."""
    try:
        return (root / path).read_text()
    except UnicodeDecodeError:
        return None


def plant(root, tree):
    for name, text in tree.items():
        target = root / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)


def main(check, violations, clean):
    """Runs check(root) -> complaints on each planted tree, then on the real one; exits with the verdict.

    violations: list of (what the complaint must contain, {path: text}); clean: a {path: text} without anything to complain of.
    """
    failed = passed = 0
    for expected, tree in [*violations, (None, clean)]:
        with tempfile.TemporaryDirectory(prefix="tapioca-lint-") as directory:
            root = pathlib.Path(directory)
            plant(root, tree)
            complaints = check(root)
        if (expected is None and not complaints) or (expected and any(expected in c for c in complaints)):
            passed += 1
        else:
            failed += 1
            print(f"self-test: planted {sorted(tree)}: expected {expected!r}, got {complaints}")
    complaints = check(ROOT)
    for complaint in complaints:
        print(complaint)
    failed, passed = failed + bool(complaints), passed + (not complaints)
    print(f"{passed} passed, {failed} failed")
    sys.exit(1 if failed else 0)


def skip(reason):
    print(f"skipped: {reason}")
    sys.exit(SKIP)


def compiler():
    """The C++ compiler of the build (CMake puts it into the environment), or the usual one."""
    return os.environ.get("TAPIOCA_CXX", "g++")
