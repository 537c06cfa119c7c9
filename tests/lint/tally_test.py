#!/usr/bin/env python3
"""The count of ./check counts right: every outcome that ctest knows, and the tests that died after their last good case."""
import contextlib
import io
import json
import pathlib
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
import netns_test  # noqa: E402
import tally  # noqa: E402


def tallied(cases, required=(), steps="", silent=()):
    """cases: (name, attributes and children of the testcase, output). Returns ((passed, failed, skipped), what was printed)."""
    with tempfile.TemporaryDirectory(prefix="tapioca-lint-") as directory:
        folder = pathlib.Path(directory)
        body = "".join(f'<testcase name="{n}" {a[0]}>{a[1]}<system-out>{o}</system-out></testcase>' for n, a, o in cases)
        (folder / "release-quick.xml").write_text(f"<testsuite>{body}</testsuite>")
        tests = [{"name": n, "properties": [{"name": "LABELS", "value": ["unit"]}]} for n in [*(c[0] for c in cases), *silent]]
        (folder / "release-quick.json").write_text(json.dumps({"tests": tests}))
        (folder / "steps").write_text(steps)
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            counts = tally.add_up(folder, required)
    return counts, printed.getvalue()


RUN = ('status="run"', "")
FAIL = ('status="fail"', '<failure message=""/>')
SKIP = ('status="notrun"', '<skipped message="SKIP_RETURN_CODE=77"/>')


class Tally(unittest.TestCase):
    def test_a_step_that_could_not_run_is_skipped_and_says_why(self):
        counts, printed = tallied([("a", RUN, "fine")], steps="passed tidy\nskipped try-deb: needs a mirror\n")
        self.assertEqual(counts, (2, 0, 1))
        self.assertIn("skipped  try-deb: needs a mirror", printed)

    def test_outcomes(self):
        self.assertEqual(tallied([("a", RUN, "fine")])[0], (1, 0, 0))
        self.assertEqual(tallied([("a", FAIL, "bad")])[0], (0, 1, 0))
        self.assertEqual(tallied([])[0], (0, 0, 0))

    def test_cases_inside_a_program(self):
        self.assertEqual(tallied([("a", RUN, "All tests passed (105 assertions in 9 test cases)")])[0], (9, 0, 0))
        self.assertEqual(tallied([("a", FAIL, "test cases: 9 | 7 passed | 2 failed\nassertions: ...")])[0], (7, 2, 0))
        self.assertEqual(tallied([("a", FAIL, "test cases: 2 | 2 failed\nassertions: ...")])[0], (0, 2, 0))
        self.assertEqual(tallied([("a", RUN, "test cases: 9 | 7 passed | 2 failed as expected\nassertions: ...")])[0], (7, 0, 0))
        self.assertEqual(tallied([("a", RUN, "x\n4 passed, 0 failed, 1 skipped")])[0], (4, 0, 1))

    def test_exit_status_has_the_last_word(self):
        self.assertEqual(tallied([("a", FAIL, "All tests passed (1 assertion in 1 test case)\nLeakSanitizer")])[0], (1, 1, 0))
        self.assertEqual(tallied([("a", FAIL, "3 passed, 0 failed")])[0], (3, 1, 0))

    def test_a_run_that_broke_off_is_a_failure(self):
        counts, printed = tallied([("a", RUN, "")], silent=["b"])
        self.assertEqual(counts, (1, 1, 0))
        self.assertIn("release-quick/b: no result", printed)

    def test_skips_carry_their_reason(self):
        counts, printed = tallied([("a", SKIP, "skipped: no clang-format")])
        self.assertEqual(counts, (0, 0, 1))
        self.assertIn("release-quick/a: skipped: no clang-format", printed)
        counts, printed = tallied([("a", SKIP, "")])
        self.assertEqual(counts, (0, 0, 1))
        self.assertIn("SKIP_RETURN_CODE=77", printed)

    def test_steps_and_required_labels(self):
        self.assertEqual(tallied([("a", RUN, "")], ["unit"], "failed build-dev\npassed cppcheck\n")[0], (2, 1, 0))
        counts, printed = tallied([("a", RUN, "")], ["unit", "netns"])
        self.assertEqual(counts, (1, 1, 0))
        self.assertIn("label netns", printed)


def counted(set_up=None, tear_down=None):
    """What a file of tests/netns counts whose only class has one case of each outcome."""
    class Counted(unittest.TestCase):
        @classmethod
        def setUpClass(cls):
            if set_up:
                raise set_up

        @classmethod
        def tearDownClass(cls):
            if tear_down:
                raise tear_down

        def test_passes(self):
            pass

        def test_is_skipped(self):
            self.skipTest("for a reason")

        def test_fails_in_two_parts(self):
            for i in range(2):
                with self.subTest(i=i):
                    self.fail()

    suite = unittest.defaultTestLoader.loadTestsFromTestCase(Counted)
    return netns_test.counts(netns_test.runner(io.StringIO()).run(suite))


class Cases(unittest.TestCase):
    def test_every_case_counts_once(self):
        self.assertEqual(counted(), (1, 1, 1))

    def test_a_set_up_that_fails_is_a_failure_and_takes_nothing_from_what_passed(self):
        self.assertEqual(counted(set_up=RuntimeError("no world")), (0, 1, 0))
        self.assertEqual(counted(set_up=unittest.SkipTest("no world")), (0, 0, 1))
        self.assertEqual(counted(tear_down=RuntimeError("the world is still there")), (1, 2, 1))


if __name__ == "__main__":
    unittest.main()
