import json
from dataclasses import replace

import numpy as np
import pytest
from toy_gate import ToyTask, make_profile

from mpq_checks.baselines import baseline_path
from mpq_checks.errors import ResultsError
from mpq_checks.gate import GateSettings, run_case
from mpq_checks.metrics.tally import Proportion, mean_tally
from mpq_checks.results import read_results, results, write_results
from mpq_checks.significance.estimates import value_interval
from mpq_checks.update import accept


@pytest.fixture(scope="module")
def gate(tmp_path_factory):
    """The baselines' folder, and outcomes of a healthy case and one whose model got worse."""
    folder = tmp_path_factory.mktemp("baselines")
    settings = GateSettings(make_profile(), folder, "new", device="cpu")
    accept([run_case(case, settings) for case in settings.profile.cases], folder, "toy", None)
    none, jpeg = settings.profile.cases
    worse = replace(jpeg, task=ToyTask(gain=0.001))
    return folder, [run_case(case, replace(settings, update="none")) for case in (none, worse)]


@pytest.fixture(scope="module")
def document(gate):
    folder, outcomes = gate
    return results(make_profile(), outcomes, folder)


def test_the_run_comes_first(document):
    assert document["passed"] is False
    assert document["verdicts"] == {"PASS": 1, "REGRESSION": 1}
    assert document["environment_changes"] == []
    task = document["tasks"]["toy"]
    assert (task["rate"], task["distortion"], task["scores"][0]) == (
        "bits_per_pixel",
        "psnr_db",
        "top1",
    )


def test_a_case_holds_what_was_decided(document):
    none, jpeg = document["cases"]
    assert (none["verdict"], none["passed"], none["n"]) == ("PASS", True, 8)
    assert (none["uncompressed"], jpeg["uncompressed"]) == (True, False)
    assert (jpeg["verdict"], jpeg["passed"], jpeg["first_moved"]) == (
        "REGRESSION",
        False,
        "model output",
    )
    nll = jpeg["metrics"]["nll"]
    assert nll["role"] == "score"
    assert nll["drop"] == pytest.approx(nll["value"] - nll["baseline"])
    assert nll["drop"] > nll["margin"]
    low, high = nll["interval"]
    assert 0 < low < nll["drop"] < high
    assert nll["p_value"] < 0.001
    assert "family of 10" in jpeg["signature"]
    low, high = nll["value_interval"]
    assert low < nll["value"] < high


def test_a_case_tells_its_identity_what_changed_in_it_and_its_history(document):
    jpeg = document["cases"][1]
    assert jpeg["identities"]["codec"]["quality"] == "50"
    assert jpeg["identity_changes"] == [
        {"part": "task", "key": "gain", "before": "0.02", "now": "0.001"}
    ]
    (first,) = jpeg["history"]
    assert first["reason"] == "first baseline"
    assert first["moved"]["psnr_db"] == [None, pytest.approx(jpeg["metrics"]["psnr_db"]["value"])]


def test_each_sample_stands_beside_its_baseline_and_the_uncompressed_one(document):
    none, jpeg = document["cases"]
    sample = jpeg["samples"][0]
    assert sample["worse"] > 0
    assert sample["now"]["encoded_sha256"] == sample["baseline"]["encoded_sha256"]
    assert sample["now"]["says"] != sample["baseline"]["says"]
    assert none["samples"][0]["now"]["psnr_db"] == "inf"
    assert none["samples"][0]["worse"] == none["samples"][0]["worse_than_uncompressed"] == 0


def test_without_baselines_there_is_nothing_beside_a_sample(gate, tmp_path):
    document = results(make_profile(), gate[1], tmp_path)
    for case in document["cases"]:
        assert case["history"] == []
        assert all(sample["baseline"] is sample["worse"] is None for sample in case["samples"])


def test_a_corrupt_baseline_counts_as_none(gate, tmp_path):
    path = baseline_path(tmp_path, "toy", "toy", "jpeg-q50")
    path.parent.mkdir(parents=True)
    path.write_text("{")
    (jpeg,) = results(make_profile(), gate[1][1:], tmp_path)["cases"]
    assert jpeg["history"] == []


def test_what_is_written_is_read(document, tmp_path):
    path = tmp_path / "results.json"
    write_results(path, document)
    assert read_results(path) == document


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "not a whole JSON file"),
        ("[]", "schema is 'list'"),
        ('{"schema": "mpq-results/9"}', "schema is 'mpq-results/9', not 'mpq-results/1'"),
        ('{"schema": "mpq-results/1", "profile": "toy"}', "created is missing or no str"),
    ],
)
def test_what_is_no_results_file_is_told(tmp_path, text, message):
    path = tmp_path / "results.json"
    path.write_text(text)
    with pytest.raises(ResultsError, match=message) as error:
        read_results(path)
    assert str(path) in str(error.value)


def test_a_missing_results_file_tells_how_to_make_it(tmp_path):
    with pytest.raises(ResultsError, match="--mpq-json"):
        read_results(tmp_path / "results.json")


def test_the_document_is_strict_json(document):
    json.dumps(document, allow_nan=False)


def test_a_shares_interval_is_wilsons():
    from statsmodels.stats.proportion import proportion_confint

    successes = np.array([1.0] * 53 + [0.0] * 17)
    expected = proportion_confint(53, 70, method="wilson")
    assert value_interval(Proportion(successes), range(70)) == pytest.approx(expected)


def test_a_means_interval_is_at_least_students_and_respects_clusters():
    from scipy import stats

    values = np.random.default_rng(0).normal(size=40)
    low, high = value_interval(mean_tally(list(values), "x"), range(40))
    student = stats.t.interval(0.95, 39, values.mean(), stats.sem(values))
    assert low <= student[0] + 1e-9
    assert high >= student[1] - 1e-9
    assert high - low < 1.3 * (student[1] - student[0])
    twice = value_interval(mean_tally(list(np.repeat(values, 2)), "x"), np.repeat(np.arange(40), 2))
    assert twice == pytest.approx((low, high))


def test_one_cluster_or_an_infinite_value_has_no_interval():
    assert value_interval(mean_tally([1.0, 2.0], "x"), [0, 0]) is None
    assert value_interval(mean_tally([1.0, float("inf")], "x"), [0, 1]) is None
