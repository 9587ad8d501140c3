"""What a CI system gets: job summary, annotations, junit properties, exit codes, workflows."""

import re
import shlex
import sys
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
import yaml
from markdown_it import MarkdownIt

from mpq_checks.outcome import Outcome
from mpq_checks.report.annotations import MAX_PER_KIND, annotations, place_in_workspace
from mpq_checks.report.markdown import MAX_BYTES, append_summary, markdown_summary

ROOT = Path(__file__).parent.parent
GITHUB = ROOT / "docs/ci/github-actions.yml"
GITLAB = ROOT / "docs/ci/gitlab-ci.yml"
WORKERS = pytest.mark.parametrize("workers", [0, 2])
NASTY = "a|b`c`<img src=x onerror=y>\n# head\n[link](http://x) *x* &amp; </details>"
WORSE = "profile = make_profile(SwappedJpeg(quality=50))"


@pytest.fixture
def accepted(gate):
    gate("--mpq-update-new").assert_outcomes(passed=3)
    return gate


def outcome(
    name="case", *, drop=None, verdict="REGRESSION", passed=False, message="why", **judgement
):
    """An outcome with one metric of that drop, or that was never judged."""
    metric = {
        "name": "top1", "decimals": 3, "value": 0.5, "baseline": 0.6, "drop": drop, "margin": 0.02,
        "interval": [0.05, 0.15], "smallest_detectable_drop": 0.01, "verdict": verdict,
        "method": "exact McNemar test",
    }  # fmt: skip
    judged = {
        "verdict": verdict, "metrics": [metric] * 4, "first_moved": "model output", "notes": [],
        "worst": [], **judgement,
    }  # fmt: skip
    return Outcome(
        case_id=f"toy/{name}", task="toy", codec=name, kind="image_classification",
        modality="image", passed=passed, message="" if passed else message,
        judgement=None if drop is None else judged, reproduce="pytest 'test_x.py::test[toy/x]'",
    )  # fmt: skip


# Annotations


def test_an_annotation_is_escaped_as_github_documents():
    (line,) = annotations(
        [outcome("x", drop=0.1, message="100%\nnext, and: more")], {"toy/x": ("a,b:c/test_x.py", 7)}
    )
    assert line == (
        "::error file=a%2Cb%3Ac/test_x.py,line=7,title=toy/x%3A REGRESSION::"
        "100%25 next, and: more%0Afirst moved link: model output%0A"
        "reproduce: pytest 'test_x.py::test[toy/x]'"
    )


def test_the_worst_come_first_and_the_last_annotation_counts_the_rest():
    cases = [outcome(f"c{index}", drop=index / 100) for index in range(1, 14)]
    error = outcome("error")
    lines = annotations([error, *cases], {})
    assert len(lines) == MAX_PER_KIND
    assert lines[0].startswith("::error title=toy/c13%3A REGRESSION::")
    assert lines[8].startswith("::error title=toy/c5%3A")
    assert lines[9] == (
        "::error title=mpq::5 more cases failed too: toy/c4, toy/c3, toy/c2, toy/c1, toy/error"
    )
    assert len(annotations(cases[:MAX_PER_KIND], {})) == MAX_PER_KIND


def test_a_passing_case_is_annotated_only_if_it_has_something_to_tell():
    def passing(name, *notes):
        return outcome(name, drop=0.0, verdict="PASS", passed=True, notes=list(notes))

    lines = annotations(
        [
            passing("quiet", "first moved link: model output", "environment torch: 1 -> 2"),
            passing("drift", "DRIFT: encoded bytes changed for 3 of 8 samples"),
            passing("stale", "the baseline is stale: better"),
            passing("open", "not settled: top1"),
        ],
        {"toy/drift": ("test_x.py", None)},
    )
    assert [line.split(":")[2] for line in lines] == [
        "warning file=test_x.py,title=toy/drift%3A PASS",
        "warning title=toy/stale%3A PASS",
        "warning title=toy/open%3A PASS",
    ]


def test_a_place_is_relative_to_the_checkout(tmp_path):
    root = tmp_path / "checkout/models"
    assert place_in_workspace(root, "test_x.py", 0, str(tmp_path / "checkout")) == (
        "models/test_x.py",
        1,
    )
    assert place_in_workspace(root, "test_x.py", None, None) == ("test_x.py", None)
    outside = place_in_workspace(root, "../../test_x.py", 3, str(root))
    assert outside == ((tmp_path / "test_x.py").resolve().as_posix(), 4)


# Job summary


def rendered(*outcomes, **settings):
    text = "".join(markdown_summary("toy", outcomes, **{"passed": False, **settings}))
    return text, MarkdownIt("commonmark").enable("table").render(text)


def test_nothing_from_strangers_is_markdown_or_html():
    judgement = {"notes": [NASTY], "worst": [NASTY], "first_moved": NASTY}
    case = outcome("x", drop=0.1, message=NASTY, **judgement)
    error = outcome("y", message=NASTY)
    _, page = rendered(case, error, problems=[NASTY])
    assert "<img" not in page
    assert "<a " not in page
    assert "<em>" not in page
    assert page.count("<h2>") == 1
    assert "<h1>" not in page
    assert page.count("<details>") == page.count("</details>") == 3
    rows = re.findall(r"<tr>(.*?)</tr>", page, flags=re.DOTALL)
    assert [row.count("</td>") + row.count("</th>") for row in rows] == [7, 7, 7, 6, 6, 6]
    assert "a|b`c`&lt;img src=x onerror=y&gt; # head" in page


def test_the_summary_says_what_got_worse_and_what_else_is_different():
    changed = "environment pillow: 12.0 -> 13.0"
    text, page = rendered(
        outcome("x", drop=0.1, notes=[changed]),
        outcome("y", drop=0.0, verdict="PASS", passed=True, notes=[changed, "DRIFT: bytes"]),
        problems=["ERROR: results.json"],
    )
    assert text.startswith("## mpq toy: failed\n\n1 of 2 cases failed: 1 REGRESSION, 1 PASS.\n")
    row = "| toy/x | **REGRESSION** | top1 | 0.600 -> 0.500 | 0.050..0.150 | 0.020 | model output |"
    assert row in text
    assert "<li>pillow: 12.0 -&gt; 13.0 (2 of 2 cases)</li>" in page
    assert "<li>toy/y: DRIFT: bytes</li>" in page
    assert "<li>ERROR: results.json</li>" in page
    assert "```sh\npytest 'test_x.py::test[toy/x]'\n```" in text
    passing, _ = rendered(outcome("y", drop=0.0, verdict="PASS", passed=True), passed=True)
    assert passing.startswith("## mpq toy: passed\n\n1 case passed: 1 PASS.\n")


def test_a_command_with_backticks_stays_in_its_block():
    _, page = rendered(replace(outcome("x", drop=0.1), reproduce="pytest '```<b>'"))
    assert "<code class=\"language-sh\">pytest '```&lt;b&gt;'\n</code>" in page


def test_a_summary_stays_within_what_github_takes(tmp_path):
    path = tmp_path / "summary.md"
    path.write_text("before\n")
    many = [
        outcome(f"c{index}", drop=0.1, worst=["\u8a9e" * 500] * 5, message="why " * 100)
        for index in range(600)
    ]
    append_summary(path, markdown_summary("toy", many, passed=False))
    text = path.read_text(encoding="utf-8")
    assert path.stat().st_size <= MAX_BYTES
    assert path.stat().st_size > MAX_BYTES // 2
    assert text.startswith("before\n## mpq toy: failed")
    assert "100 more cases are left out here." in text
    assert text.endswith("The rest is left out: a job summary holds at most 1 MiB.\n")
    assert text.count("<details>") == text.count("</details>")


# The gate in a CI system


@WORKERS
def test_a_failing_run_on_github(accepted, pytester, monkeypatch, workers):
    summary = pytester.path / "summary.md"
    summary.write_text("another step\n")
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_WORKSPACE", str(pytester.path.parent))
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    monkeypatch.setenv("CI", "true")
    (pytester.path / "baselines/toy/toy/old.json").write_text("{}")
    result = accepted("-q", "--junit-xml", "junit.xml", change=WORSE, workers=workers)
    assert result.ret == 1

    (line,) = [line for line in result.outlines if line.startswith("::")]
    file = f"{pytester.path.name}/test_suite.py"
    assert line.startswith(f"::error file={file},line=1,title=toy/jpeg-q50%3A REGRESSION::psnr_db ")

    text = summary.read_text(encoding="utf-8")
    assert text.startswith("another step\n## mpq toy: failed\n\n1 of 2 cases failed")
    assert "| toy/jpeg-q50 | **REGRESSION** | psnr\\_db | " in text
    assert "baseline\\_folder\\[toy\\] failed" in text
    assert text.count("## mpq") == 1

    # The short summary of a CI run does not repeat the whole text.
    assert result.stdout.str().count("worst samples") == 1
    result.stdout.fnmatch_lines(["FAILED *jpeg-q50] - toy/jpeg-q50: REGRESSION, psnr_db * -> *"])
    tree = ET.parse(pytester.path / "junit.xml")  # noqa: S314  (pytest wrote it)
    cases = {case.get("name"): case for case in tree.iter("testcase")}
    case = cases["test_gate[toy/jpeg-q50]"]
    assert case.find("failure").get("message").startswith("toy/jpeg-q50: REGRESSION, psnr_db ")
    found = {one.get("name"): one.get("value") for one in case.iter("property")}
    assert found["mpq_verdict"] == "REGRESSION"
    assert found["mpq_first_moved"] == "decoded signal"
    value, before, drop = (float(found[f"mpq_psnr_db{end}"]) for end in ("", "_baseline", "_drop"))
    assert drop == pytest.approx(before - value)
    assert drop > 0
    assert float(found["mpq_nll_drop"]) > 0
    passing = {one.get("name"): one.get("value") for one in cases["test_gate[toy/none]"].iter()}
    assert passing["mpq_verdict"] == "PASS"
    assert "mpq_first_moved" not in passing


def test_a_summary_that_cannot_be_written_fails_the_run(accepted, pytester, monkeypatch):
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(pytester.path / "absent/summary.md"))
    result = accepted("-q")
    assert result.ret == 1
    result.stdout.fnmatch_lines(["ERROR: *summary.md*"])


@WORKERS
def test_quiet_is_one_line_a_failing_case_and_the_counts(accepted, workers):
    result = accepted("-q", "--tb=no", "-p", "no:warnings", change=WORSE, workers=workers)
    lines = result.outlines
    start = next(index for index, line in enumerate(lines) if line.startswith("toy/jpeg-q50: "))
    assert re.fullmatch(
        r"toy/jpeg-q50: REGRESSION, psnr_db [\d.]+ -> [\d.]+, drop [\d.]+", lines[start]
    )
    assert lines[start + 1] == "mpq toy: 1 of 2 cases failed: 1 REGRESSION, 1 PASS"
    assert lines[start + 2].startswith("===")
    assert "was" not in result.stdout.str()
    assert "sensitivity" not in result.stdout.str()


UNICODE = """
@dataclass(frozen=True)
class Speaking(ToyTask):
    def describe(self, statistics):
        return "na\\u00efve \\u2026 \\u8a9e"
profile = make_profile(SwappedJpeg(quality=50), task=Speaking())
"""


@WORKERS
def test_a_terminal_without_unicode_or_colour(accepted, monkeypatch, workers):
    monkeypatch.setenv("PYTHONIOENCODING", "ascii")
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    result = accepted(change=UNICODE, workers=workers)
    assert result.ret == 1
    text = result.stdout.str()
    assert text.isascii()
    assert "\x1b" not in text
    assert "UnicodeEncodeError" not in text + result.stderr.str()
    start = text.index("mpq toy =")
    commands = ("::", "FAILED")
    assert all(
        len(line) <= 80 for line in text[start:].splitlines() if not line.startswith(commands)
    )


def test_exit_codes(accepted, pytester):
    assert accepted("-k", "jpeg").ret == 0
    assert accepted("-k", "no_such_case").ret == pytest.ExitCode.NO_TESTS_COLLECTED
    pytester.makepyfile(test_broken="import no_such_module")
    assert accepted().ret == pytest.ExitCode.INTERRUPTED


# The example workflows


def commands_of(*paths):
    """Each line of a script of the workflows, as words."""

    def scripts(node):
        if isinstance(node, dict):
            for key, value in node.items():
                if key in {"run", "script", "before_script"}:
                    yield from [value] if isinstance(value, str) else value
                else:
                    yield from scripts(value)
        elif isinstance(node, list):
            for value in node:
                yield from scripts(value)

    return [
        (line, shlex.split(line))
        for path in paths
        for script in scripts(yaml.safe_load(path.read_text()))
        for line in script.splitlines()
    ]


def test_the_commands_of_the_workflows_have_only_options_that_exist(pytester):
    known = pytester.runpytest_subprocess("--help").stdout.str()
    used = [words for _, words in commands_of(GITHUB, GITLAB) if words[0] == "pytest"]
    assert len(used) == 4
    for words in used:
        for word in words:
            if word.startswith("--"):
                assert re.search(rf"(^|\s){word}[ =\n]", known), word


def test_the_mpq_commands_of_the_workflows_are_understood():
    from mpq_checks.cli import command_line

    used = [words for _, words in commands_of(GITHUB, GITLAB) if words[0] == "mpq"]
    assert len(used) == 2
    for words in used:
        assert command_line().parse_args(words[1:]).mpq_profile == "gate:profile"


def test_the_manifest_is_hashed_by_a_command_that_works(pytester):
    (words,) = [words for _, words in commands_of(GITHUB) if words[0] == "python"]
    result = pytester.run(sys.executable, *words[1 : words.index(">>")])
    assert re.fullmatch("sha256=[0-9a-f]{64}", result.stdout.str().strip())


def test_no_expression_stands_in_a_script_and_rights_are_least():
    for line, _ in commands_of(GITHUB):
        assert "${{" not in line
    workflow = yaml.safe_load(GITHUB.read_text())
    assert workflow["permissions"] == {"contents": "read"}
    assert "permissions" not in workflow["jobs"]["gate"]
    assert workflow["jobs"]["update-baselines"]["permissions"] == {"contents": "write"}
    used = [
        step["uses"] for job in workflow["jobs"].values() for step in job["steps"] if "uses" in step
    ]
    assert all(re.fullmatch(r"actions/[a-z-]+@v\d+", name) for name in used)


def test_reports_are_kept_whatever_the_gate_says():
    workflow = yaml.safe_load(GITHUB.read_text())
    uploads = [
        step
        for job in workflow["jobs"].values()
        for step in job["steps"]
        if "upload-artifact" in step.get("uses", "")
    ]
    assert [step["if"] for step in uploads] == ["always()", "always()"]
    gitlab = yaml.safe_load(GITLAB.read_text())
    assert gitlab["gate"]["artifacts"]["when"] == "always"
    assert gitlab["gate"]["artifacts"]["reports"]["junit"] == "junit.xml"
    assert gitlab["update-baselines"]["rules"][0]["when"] == "manual"


def test_pre_commit_pins_what_it_runs():
    repositories = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    revisions = {one["repo"]: one.get("rev") for one in repositories if one["repo"] != "local"}
    assert all(re.fullmatch(r"v\d+\.\d+\.\d+", revision) for revision in revisions.values())
