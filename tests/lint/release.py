#!/usr/bin/env python3
"""packaging/release.sh: two clones give the same tarball, which has all files and no others; it refuses what is not ready; --tag makes a tag, once."""
import os
import pathlib
import shutil
import subprocess
import sys
import tarfile
import tempfile
import unittest

import lint

NAMED = ["-c", "user.name=A Maintainer", "-c", "user.email=maintainer@example.org", "-c", "commit.gpgsign=false"]


def git(directory, *words):
    done = subprocess.run(["git", *NAMED, "-C", str(directory), *words], capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"git {' '.join(words)}: {done.stderr}")
    return done.stdout


class Release(unittest.TestCase):
    def setUp(self):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="tapioca-release-"))
        self.addCleanup(shutil.rmtree, self.dir)
        self.origin = self.dir / "origin"
        for name in ("CMakeLists.txt", "doc/changelog.md", "packaging/release.sh", ".gitignore", "README.md", "tests/lint/release.py"):
            (self.origin / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(lint.ROOT / name, self.origin / name)
        os.symlink("README.md", self.origin / "LINK.md")
        self.version = next(line.split()[2] for line in (self.origin / "CMakeLists.txt").read_text().splitlines() if line.startswith("project("))
        self.heading("2030-01-31")
        git(self.origin, "init", "--quiet", "--initial-branch=main")
        git(self.origin, "add", "--all")
        self.commit(self.origin)

    def heading(self, date):
        changes = self.origin / "doc/changelog.md"
        lines = changes.read_text().splitlines(keepends=True)
        changes.write_text("".join(f"## {self.version}, {date}\n" if line.startswith(f"## {self.version}, ") else line for line in lines))

    def commit(self, tree):
        git(tree, "commit", "--quiet", "--all", "--allow-empty", "--message=a release")

    def release(self, tree, *words, mask=0o022, **variables):
        environment = {**os.environ, "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_COMMITTER_NAME": "A Maintainer", "GIT_COMMITTER_EMAIL": "maintainer@example.org", **variables}
        return subprocess.run([str(tree / "packaging/release.sh"), *words], env=environment, capture_output=True, text=True, umask=mask, timeout=60)

    def clone(self, name):
        git(self.dir, "clone", "--quiet", str(self.origin), name)
        return self.dir / name

    def test_two_clones_give_the_same_files(self):
        made = []
        for name, how in (("one", {"mask": 0o022, "TZ": "UTC"}), ("two", {"mask": 0o077, "TZ": "Asia/Kolkata", "LC_ALL": "C.UTF-8", "GZIP": ""})):
            done = self.release(self.clone(name), **how)
            self.assertEqual(done.returncode, 0, done.stderr)
            made.append(self.dir / name / "build/release-files")
        names = sorted(p.name for p in made[0].iterdir())
        self.assertEqual(names, [f"tapioca-{self.version}.{end}" for end in ("changes.md", "sha256", "tar.gz")])
        for name in names:
            self.assertEqual((made[0] / name).read_bytes(), (made[1] / name).read_bytes(), name)
        self.assertEqual(subprocess.run(["sha256sum", "--quiet", "--check", f"tapioca-{self.version}.sha256"], cwd=made[0]).returncode, 0)
        with tarfile.open(made[0] / f"tapioca-{self.version}.tar.gz") as tarball:
            files = {m.name.removeprefix(f"tapioca-{self.version}/") for m in tarball if not m.isdir()}
            self.assertEqual({m.uid for m in tarball}, {0})
        self.assertEqual(files, {str(p) for p in lint.files(self.origin)})

    def test_no_file_of_the_tree_is_left_out_or_changed_by_an_attribute(self):
        attributes = [p for p in lint.files(lint.ROOT) if p.name == ".gitattributes"]
        self.assertEqual([p for p in attributes if "export-" in lint.read(lint.ROOT, p)], [])

    def test_the_section_of_the_changelog_is_that_of_the_version(self):
        self.assertEqual(self.release(self.origin).returncode, 0)
        changes = (self.origin / f"build/release-files/tapioca-{self.version}.changes.md").read_text()
        self.assertTrue(changes.startswith(f"## {self.version}, 2030-01-31\n"))
        self.assertEqual(changes.count("\n## "), 0)

    def test_what_is_not_committed_is_refused(self):
        (self.origin / "more").write_text("x\n")
        done = self.release(self.origin)
        self.assertEqual(done.returncode, 1)
        self.assertIn("not committed", done.stderr)

    def test_a_version_without_a_section_is_refused(self):
        (self.origin / "doc/changelog.md").write_text("# What changed\n")
        self.commit(self.origin)
        done = self.release(self.origin)
        self.assertEqual(done.returncode, 1)
        self.assertIn("has no section", done.stderr)

    def test_a_tag_is_made_once_and_only_of_what_is_released(self):
        done = self.release(self.origin, "--tag")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn(f"## {self.version}, 2030-01-31", git(self.origin, "cat-file", "tag", f"v{self.version}"))
        self.assertIn("exists already", self.release(self.origin, "--tag").stderr)
        git(self.origin, "tag", "--delete", f"v{self.version}")
        self.heading("not released yet")
        self.commit(self.origin)
        self.assertIn("no date yet", self.release(self.origin, "--tag").stderr)
        self.assertEqual(git(self.origin, "tag"), "")


if __name__ == "__main__":
    for program in ("git", "gzip", "sha256sum"):
        if not shutil.which(program):
            lint.skip(f"{program} is not installed")
    result = unittest.main(exit=False, verbosity=1).result
    wrong = len(result.failures) + len(result.errors)
    print(f"{result.testsRun - wrong} passed, {wrong} failed")
    sys.exit(wrong > 0)
