"""The gate as a user runs it: pytest in a process of its own, over the toy profile."""

import json
import re

import pytest

from mpq_checks.environment import available_cores

WORKERS = pytest.mark.parametrize("workers", [0, 2])


@pytest.fixture
def accepted(gate):
    result = gate("--mpq-update-new")
    result.assert_outcomes(passed=3)
    return gate


def flowing(result):
    """The output without its line ends: messages are wrapped."""
    return " ".join(result.stdout.str().split())


def results(pytester, name="results.json"):
    return json.loads((pytester.path / name).read_text())


@WORKERS
def test_first_run_without_baselines_fails_with_the_mend(gate, pytester, workers):
    result = gate(workers=workers)
    result.assert_outcomes(failed=2, passed=1)
    result.stdout.fnmatch_lines(
        [
            "toy/jpeg-q50: NEW (fails), jpeg-q50.json: there is no baseline*",
            "reproduce: pytest *jpeg-q50*",
            "accept:    pytest *jpeg-q50* --mpq-update-new",
        ]
    )
    assert not (pytester.path / "baselines").exists()


@WORKERS
def test_accepting_then_running_again_is_green(gate, pytester, workers):
    gate("--mpq-update-new", workers=workers).assert_outcomes(passed=3)
    files = sorted(p.relative_to(pytester.path) for p in pytester.path.glob("baselines/**/*.json"))
    assert [str(file) for file in files] == [
        "baselines/toy/toy/jpeg-q50.json",
        "baselines/toy/toy/none.json",
    ]
    result = gate(workers=workers)
    result.assert_outcomes(passed=3)
    assert result.ret == 0
    result.stdout.fnmatch_lines(["*mpq toy*", "toy/none*PASS*", "toy/jpeg-q50*PASS*"])


def test_verdicts_do_not_depend_on_workers_selection_or_order(accepted, pytester):
    accepted("--mpq-json", "one.json", workers=0)
    accepted("--mpq-json", "two.json", workers=2)
    accepted("--mpq-json", "part.json", "-k", "jpeg", workers=0)
    accepted("--mpq-json", "turned.json", change="profile = Profile('toy', profile.cases[::-1])")

    def by_case(name):
        return {
            case["codec"]: (case["verdict"], case["metrics"])
            for case in results(pytester, name)["cases"]
        }

    assert by_case("one.json") == by_case("two.json") == by_case("turned.json")
    assert by_case("part.json") == {"jpeg-q50": by_case("one.json")["jpeg-q50"]}


@WORKERS
@pytest.mark.parametrize(
    ("change", "link", "metric"),
    [
        ("profile = make_profile(RenamedJpeg(quality=3))", "encoded bytes", "nll"),
        ("profile = make_profile(SwappedJpeg(quality=50))", "decoded signal", "psnr_db"),
        ("profile = make_profile(task=ToyTask(gain=0.01))", "model output", "nll"),
    ],
)
def test_a_real_change_fails_the_right_test(accepted, pytester, workers, change, link, metric):
    result = accepted("--mpq-json", "results.json", change=change, workers=workers)
    assert result.ret == 1
    case = {case["codec"]: case for case in results(pytester)["cases"]}["jpeg-q50"]
    assert case["verdict"] == "REGRESSION"
    assert case["first_moved"] == link
    assert case["metrics"][metric]["verdict"] == "REGRESSION"
    result.stdout.fnmatch_lines(
        [
            f"toy/jpeg-q50: REGRESSION, {metric} * -> *, drop *",
            f"{metric} * -> *, drop * (95% interval *, margin *)*",
            f"first moved link: {link} (8 of 8 samples)",
            "reproduce: pytest *jpeg-q50*",
            "accept:    pytest *--mpq-update --mpq-reason*",
            "metric * baseline *",
            "worst samples*",
        ]
    )
    if link != "model output":
        result.assert_outcomes(failed=1, passed=2)


def test_a_better_case_passes_and_says_that_the_baseline_is_stale(accepted):
    result = accepted(change="profile = make_profile(task=ToyTask(gain=0.04))")
    result.assert_outcomes(passed=3)
    result.stdout.fnmatch_lines(["toy/jpeg-q50*IMPROVED*", "*the baseline is stale*"])


UNSETTLED = "profile = make_profile(task=ToyTask(gain=0.0201), top1=Margin(0.1, 'too narrow'))"


@WORKERS
def test_what_cannot_be_settled_fails_unless_asked_to_warn(accepted, pytester, workers):
    result = accepted("--mpq-json", "results.json", change=UNSETTLED, workers=workers)
    assert result.ret == 1
    case = results(pytester)["cases"][0]
    assert (case["verdict"], case["passed"]) == ("INCONCLUSIVE", False)
    assert case["metrics"]["top1"]["verdict"] == "INCONCLUSIVE"
    low, high = case["metrics"]["top1"]["interval"]
    assert low < 0
    assert high > 0.1
    result.stdout.fnmatch_lines(
        [
            "*: INCONCLUSIVE, top1 1.000 -> 1.000, drop -0.369..0.369",
            "top1 1.000 -> 1.000, drop 0.000 (95% interval -0.369..0.369, margin 0.100), these*",
        ]
    )
    warned = accepted("--mpq-inconclusive", "warn", change=UNSETTLED, workers=workers)
    assert warned.ret == 0
    warned.stdout.fnmatch_lines(["toy/none*INCONCLUSIVE*", "toy/none: not settled: top1 1.000*"])


def test_a_case_that_cannot_resolve_its_margin_says_so_on_every_run(accepted):
    change = "profile = make_profile(top1=Margin(0.1, 'narrow'))"
    accepted(change=change).stdout.fnmatch_lines(
        ["sensitivity: 2 of 2 cases cannot show a drop of each margin (-v or `mpq doctor`*"]
    )
    accepted("-v", change=change).stdout.fnmatch_lines(
        ["toy/none shows drops from: *top1 * (margin 0.100)*"]
    )


def test_thresholds_do_not_depend_on_the_selection(accepted, pytester):
    accepted("--mpq-json", "all.json", change=UNSETTLED)
    accepted("--mpq-json", "one.json", "-k", "jpeg", change=UNSETTLED)
    (one,) = results(pytester, "one.json")["cases"]
    other = results(pytester, "all.json")["cases"][1]
    for part in ("verdict", "metrics", "notes", "worst", "signature"):
        assert one[part] == other[part]
    assert "family of 10" in one["signature"]


def test_changed_source_data_is_the_first_link(accepted, pytester):
    change = "profile = make_profile(task=ToyTask(dataset=ToyDataset(salt=1)))"
    result = accepted("--mpq-json", "results.json", change=change)
    assert {case["first_moved"] for case in results(pytester)["cases"]} == {"source data"}
    result.stdout.fnmatch_lines(["*toy/none: ERROR, the source data changed: sample 'square-0'*"])


def test_a_regression_is_accepted_only_with_a_reason(accepted, pytester):
    path = pytester.path / "baselines/toy/toy/jpeg-q50.json"
    before = path.read_bytes()
    worse = "profile = make_profile(RenamedJpeg(quality=30))"
    result = accepted("--mpq-update", change=worse)
    result.assert_outcomes(failed=1, passed=2)
    assert "Not accepted: a REGRESSION needs --mpq-reason 'why'." in flowing(result)
    assert path.read_bytes() == before

    result = accepted("--mpq-update", "--mpq-reason", "smaller uploads", change=worse)
    result.assert_outcomes(passed=3)
    result.stdout.fnmatch_lines(["baseline *jpeg-q50.json: *psnr_db * -> *"])
    stored = json.loads(path.read_text())
    assert [entry["reason"] for entry in stored["history"]] == ["first baseline", "smaller uploads"]
    assert "psnr_db" in stored["history"][1]["moved"]
    accepted(change=worse).assert_outcomes(passed=3)


def test_an_update_that_moves_nothing_writes_nothing(accepted, pytester):
    path = pytester.path / "baselines/toy/toy/jpeg-q50.json"
    before = (path.read_bytes(), path.stat().st_mtime_ns)
    result = accepted("--mpq-update")
    result.stdout.fnmatch_lines(["baseline *jpeg-q50.json: unchanged"])
    assert (path.read_bytes(), path.stat().st_mtime_ns) == before


def test_update_new_judges_what_has_a_baseline(accepted, pytester):
    (pytester.path / "baselines/toy/toy/none.json").unlink()
    result = accepted("--mpq-update-new", change="profile = make_profile(SwappedJpeg(quality=50))")
    result.assert_outcomes(failed=1, passed=2)
    assert (pytester.path / "baselines/toy/toy/none.json").exists()


@WORKERS
def test_a_case_that_cannot_run_fails_and_names_sample_and_stage(accepted, pytester, workers):
    path = pytester.path / "baselines/toy/toy/jpeg-q50.json"
    before = path.read_bytes()
    result = accepted(
        "--mpq-update",
        "--mpq-json",
        "results.json",
        change="profile = make_profile(FailingJpeg(quality=50))",
        workers=workers,
    )
    result.assert_outcomes(failed=1, passed=2)
    result.stdout.fnmatch_lines(["*toy/jpeg-q50, sample square-3, decode: RuntimeError: *broke*"])
    assert path.read_bytes() == before
    assert [case["verdict"] for case in results(pytester)["cases"]] == ["PASS", "ERROR"]


KILLER = """
import os, signal
from dataclasses import dataclass
@dataclass(frozen=True)
class Killer(RenamedJpeg):
    def decode(self, data):
        os.kill(os.getpid(), signal.SIGKILL)
profile = make_profile(Killer(quality=30))
"""


def test_a_killed_worker_fails_the_run_and_leaves_the_baselines(accepted, pytester):
    folder = pytester.path / "baselines"
    before = {path: path.read_bytes() for path in folder.rglob("*.json")}
    arguments = ("--mpq-update", "--mpq-reason", "x", "--mpq-json", "results.json")
    result = accepted(*arguments, change=KILLER, workers=2)
    assert result.ret == 1
    assert {path: path.read_bytes() for path in folder.rglob("*.json")} == before
    cases = {case["codec"]: case for case in results(pytester)["cases"]}
    assert cases["jpeg-q50"]["verdict"] == "ERROR"
    assert not cases["jpeg-q50"]["passed"]
    result.stdout.fnmatch_lines(["baselines: none written*", "FAILED*toy/jpeg-q50*crashed*"])


def test_what_a_killed_worker_left_is_done_by_another_and_only_once(accepted, pytester):
    more = """
extra = cases([ToyTask()], [Jpeg(9)], MARGINS)
profile = Profile("toy", (*profile.cases[::-1], *extra))
"""
    accepted("--mpq-update-new", change=more)
    result = accepted("--mpq-json", "results.json", change=KILLER + more, workers=1)
    verdicts = {case["codec"]: case["verdict"] for case in results(pytester)["cases"]}
    assert verdicts == {"jpeg-q50": "ERROR", "none": "PASS", "jpeg-q9": "PASS"}
    assert result.stdout.str().count("replacing crashed worker") == 1


def test_a_subset_is_judged_but_never_accepted(accepted, pytester):
    accepted("--mpq-samples", "3").assert_outcomes(passed=3)
    before = (pytester.path / "baselines/toy/toy/none.json").read_bytes()
    result = accepted("--mpq-update", "--mpq-samples", "3")
    result.assert_outcomes(failed=2, passed=1)
    result.stdout.fnmatch_lines(["*measured 3 of 8 samples: a subset is not accepted*"])
    assert (pytester.path / "baselines/toy/toy/none.json").read_bytes() == before


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda text: text[: len(text) // 2], "not a whole JSON file"),
        (lambda text: text.replace("mpq-baseline/1", "mpq-baseline/7"), "schema is"),
        (lambda text: text.replace('"psnr_db"', '"snr_db"', 1), "metrics has missing or unknown"),
        (lambda text: text.replace('"square-7"', '"square-9"'), "the sample set changed"),
        (lambda text: text.replace('"task": "toy"', '"task": "joy"'), "task is 'joy'"),
    ],
)
def test_an_unusable_baseline_fails_with_the_mend(accepted, pytester, damage, message):
    path = pytester.path / "baselines/toy/toy/jpeg-q50.json"
    path.write_text(damage(path.read_text()))
    result = accepted()
    result.assert_outcomes(failed=1, passed=2)
    assert f"{message}" in flowing(result)
    assert "Restore the file from version control" in flowing(result)
    accepted("--mpq-update").assert_outcomes(failed=1, passed=2)
    accepted("--mpq-update", "--mpq-reason", "lost").assert_outcomes(passed=3)
    accepted().assert_outcomes(passed=3)


def test_a_hand_edited_aggregate_is_found(accepted, pytester):
    path = pytester.path / "baselines/toy/toy/jpeg-q50.json"
    data = json.loads(path.read_text())
    path.write_text(path.read_text().replace(f'"nll": {data["metrics"]["nll"]}', '"nll": 0.9', 1))
    accepted().stdout.fnmatch_lines(["*metrics.nll is 0.9, but the samples give*"])


@WORKERS
def test_an_unused_baseline_fails_a_test_of_its_own(accepted, pytester, workers):
    (pytester.path / "baselines/toy/toy/jpeg-q20.json").write_text("{}")
    result = accepted(workers=workers)
    result.assert_outcomes(failed=1, passed=2)
    result.stdout.fnmatch_lines(["*no case of profile toy uses these baselines*", "*jpeg-q20.json"])


def test_changed_source_data_is_not_compared(accepted):
    result = accepted(change="profile = make_profile(task=ToyTask(dataset=ToyDataset(salt=1)))")
    result.assert_outcomes(failed=2, passed=1)
    result.stdout.fnmatch_lines(["*the source data changed: sample 'square-0'*"])


def test_a_test_that_checks_nothing_fails(accepted, pytester):
    pytester.makepyfile(test_suite="def test_gate(mpq_case):\n    pass\n")
    result = accepted()
    result.assert_outcomes(failed=2, passed=1)
    result.stdout.fnmatch_lines(["*never called mpq_case.check()*"])


@WORKERS
def test_junit_properties_survive(accepted, pytester, workers):
    accepted("--junit-xml", "junit.xml", workers=workers)
    text = (pytester.path / "junit.xml").read_text()
    assert '<property name="mpq_verdict" value="PASS"' in text
    assert 'name="mpq_psnr_db"' in text
    assert "sample_id" not in text


def test_the_results_file_has_the_documented_keys(accepted, pytester):
    accepted("--mpq-json", "results.json")
    data = results(pytester)
    assert data["schema"] == "mpq-results/1"
    assert data["profile"] == "toy"
    assert "pillow" in data["environment"]
    none, jpeg = data["cases"]
    assert none["metrics"]["psnr_db"]["value"] == "inf"
    assert list(jpeg["metrics"]) == ["bits_per_pixel", "psnr_db", "lpips", "top1", "nll"]
    assert {"task", "codec", "modality", "verdict", "n", "seconds", "metrics"} <= set(jpeg)
    assert {
        "value", "baseline", "drop", "interval", "margin", "smallest_detectable_drop", "verdict",
    } <= set(jpeg["metrics"]["nll"])  # fmt: skip


def test_a_results_file_that_cannot_be_written_fails_the_run(accepted, pytester):
    (pytester.path / "file").write_text("")
    result = accepted("--mpq-json", "file/results.json")
    assert result.ret == 1
    result.stdout.fnmatch_lines(["ERROR: *"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--mpq-profile", "absent"], "*there is no profile 'absent'*"),
        (["--mpq-profile", "no_such:profile"], "*there is no module 'no_such'*"),
        (["--mpq-profile", "toy_gate:NUM_SAMPLES"], "*NUM_SAMPLES is int, not*Profile*"),
        (["--mpq-update", "--mpq-update-new"], "*exclude each other*"),
        (["--mpq-reason", "why"], "*--mpq-reason goes with --mpq-update*"),
        (["--mpq-update", "--mpq-reason", " "], "*--mpq-reason is empty*"),
        (["--mpq-samples", "0"], "*--mpq-samples*"),
        (["--mpq-device", "tpu"], "*--mpq-device*"),
    ],
)
def test_wrong_options_are_told_at_once(gate, arguments, message):
    result = gate(*arguments)
    assert result.ret == 4
    result.stderr.fnmatch_lines([message])


def test_cuda_that_is_not_there_fails_the_cases(accepted, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    result = accepted("--mpq-device", "cuda")
    result.assert_outcomes(failed=2, passed=1)
    result.stdout.fnmatch_lines(["*torch finds no CUDA device*"])


def test_markers_narrow_the_cases(accepted, pytester):
    pytester.makepyfile(
        test_suite="""
        import pytest

        @pytest.mark.mpq(kind="image_classification", codec="none")
        def test_gate(mpq_case):
            mpq_case.check()

        @pytest.mark.mpq(kind="segmentation")
        def test_other(mpq_case):
            mpq_case.check()
        """
    )
    result = accepted("-v")
    result.assert_outcomes(passed=2, deselected=1)
    result.stdout.fnmatch_lines(["*test_gate[[]toy/none[]]*PASSED*"])


def test_other_suites_are_left_alone(pytester, monkeypatch):
    summary = pytester.path / "summary.md"
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    pytester.makepyfile("def test_plain():\n    pass\ndef test_fails():\n    raise OSError\n")
    pytester.makeini("[pytest]\n")
    result = pytester.runpytest_subprocess("-n", "2")
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.no_fnmatch_line("*= mpq*")
    result.stdout.no_fnmatch_line("::*")
    assert not summary.exists()


def test_collection_imports_no_torch(gate, pytester):
    gate("--collect-only", "-q")
    pytester.makeconftest(
        """
        import sys
        def pytest_collection_finish():
            heavy = {"torch", "transformers", "lpips", "scipy", "torchvision"} & set(sys.modules)
            assert not heavy, heavy
        """
    )
    result = gate("--collect-only", "-q")
    assert result.ret == 0


def test_workers_share_the_cores(gate, pytester, monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    gate("--mpq-update-new")
    tell = """
import os, pathlib
pathlib.Path('threads').write_text(os.environ.get('OMP_NUM_THREADS', ''))
"""
    gate(change=tell, workers=2).assert_outcomes(passed=3)
    cores = available_cores()
    assert (pytester.path / "threads").read_text() == str(max(1, cores // 2))


def test_cases_of_a_task_stay_on_one_worker_and_long_tasks_start_first(gate, pytester):
    tasks = """
from dataclasses import replace
profile = Profile('toy', cases(
    [ToyTask('short', cost=1), ToyTask('long', cost=9), ToyTask('middle', cost=5)],
    [NoCodec('image'), Jpeg(50), Jpeg(60)], MARGINS))
"""
    result = gate("--mpq-update-new", "-v", change=tasks, workers=2)
    started = re.findall(r"\[(gw\d)\].*test_gate\[(\w+)/", result.stdout.str())
    assert len(started) == 9
    worker_of = {task: {worker for worker, name in started if name == task} for _, task in started}
    assert all(len(workers) == 1 for workers in worker_of.values())
    assert worker_of["long"] != worker_of["middle"]


@WORKERS
def test_the_controller_sees_to_the_assets_before_the_tests(gate, workers):
    change = """
@dataclass(frozen=True)
class NeedyTask(ToyTask):
    def assets(self):
        return ("no-such-weights",)
profile = make_profile(task=NeedyTask())
"""
    result = gate("--mpq-update-new", change=change, workers=workers)
    result.stdout.fnmatch_lines(["assets: no asset is named 'no-such-weights'*"])
    assert result.stdout.str().count("no-such-weights") == 1
