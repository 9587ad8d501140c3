"""`--mpq-report` in a session of its own, as users run it."""

import json

import pytest


@pytest.fixture
def accepted(gate, pytester):
    gate("--mpq-update-new").assert_outcomes(passed=3)
    return pytester.path


def page_of(folder):
    return (folder / "report" / "index.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("workers", [0, 2])
def test_a_run_leaves_its_report(gate, accepted, workers):
    result = gate("--mpq-report", "report", workers=workers)
    assert result.ret == 0
    result.stdout.fnmatch_lines([f"report: {accepted / 'report' / 'index.html'}"])
    page = page_of(accepted)
    assert "All 2 cases passed." in page
    assert "data:image/webp;base64," in page
    assert "not the signal that was measured" not in page
    assert json.loads((accepted / "report" / "results.json").read_text())["passed"] is True


def test_a_failing_case_stands_on_the_first_screen_with_its_command(gate, accepted):
    result = gate("--mpq-report", "report", change="profile = make_profile(SwappedJpeg(50))")
    assert result.ret == 1
    page = page_of(accepted)
    assert "1 of 2 cases failed." in page
    assert "decoded signal" in page
    assert "pytest &#39;test_suite.py::test_gate[toy/jpeg-q50]&#39;" in page


def test_what_failed_beside_the_cases_is_told(gate, accepted):
    (accepted / "baselines" / "toy" / "toy" / "old.json").write_text("{}")
    result = gate("--mpq-report", "report")
    assert result.ret == 1
    page = page_of(accepted)
    assert "All 2 cases passed, but the run failed." in page
    assert "baseline_folder[toy] failed" in page
    assert json.loads((accepted / "report" / "results.json").read_text())["passed"] is False


def test_an_update_reports_against_the_old_baselines(gate, accepted):
    change = "profile = make_profile(RenamedJpeg(20))"
    arguments = ("--mpq-update", "--mpq-reason", "smaller files", "--mpq-report", "report")
    gate(*arguments, change=change)
    page = page_of(accepted)
    assert "was " in page
    assert "smaller files" not in page
    gate("--mpq-report", "report", change=change)
    assert "smaller files" in page_of(accepted)


def test_a_report_that_cannot_be_written_fails_the_session(gate, accepted):
    (accepted / "report").write_text("a file")
    result = gate("--mpq-report", "report")
    assert result.ret == 1
    result.stdout.fnmatch_lines(["ERROR: *index.html: the report cannot be written*"])


def test_a_session_without_cases_writes_no_report(gate, accepted):
    gate("--mpq-report", "report", "-k", "nothing")
    assert not (accepted / "report").exists()
