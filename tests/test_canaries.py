"""The canaries change what they say they change, and only that."""

import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

sys.path.append(str(Path(__file__).resolve().parent.parent / "benchmarks"))

from canary_base import Change, ChangedCodec, base_case
from canary_changes import CHANGES, HARMFUL, TASKS
from canary_harmless import HARMLESS
from canary_judging import Finding, problems, ratio
from canary_store import path_of
from canary_tables import table

from mpq_checks.signals import Image
from mpq_checks.verdict import Judgement, MetricJudgement, Verdict

OF_CODECS = [change for change in CHANGES if isinstance(change.case().codec, ChangedCodec)]

# One a task. Not every change shows on one sample.
OF_MODELS = (
    "imagenet-mini.none.mean-std",
    "chest-xray-mini.none.negative",
    "solar-mini.none.5-bit",
    "lungs-mini.none.nearest-mask",
    "ljspeech-mini.none.linear",
    "music-mini.none.channels-input",
)


def named(name: str) -> Change:
    return next(change for change in CHANGES if change.name == name)


def first_sample(change: Change) -> Any:
    dataset = base_case(change.case_id).task.dataset
    return dataset.load(dataset.sample_ids()[0])


def test_names_are_unique_and_are_file_names():
    names = Counter(change.name for change in CHANGES)
    assert [name for name, count in names.items() if count > 1] == []
    assert all(path_of(change).name == f"{change.name}.json" for change in CHANGES)


@pytest.mark.parametrize(("kind", "least"), [("harmful", 24), ("harmless", 12), ("drift", 6)])
def test_there_are_enough_of_each_kind_on_every_task(kind, least):
    tasks = [change.case_id.split("/")[0] for change in CHANGES if change.kind == kind]
    assert len(tasks) >= least
    assert set(tasks) == set(TASKS)


def test_every_case_of_the_profile_is_measured_again_unchanged():
    again = [change.case_id for change in HARMLESS if change.slug == "again"]
    assert len(again) == len(set(again)) == 28


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.name)
def test_a_changed_case_keeps_its_name(change):
    case = change.case()
    assert case.id == change.case_id
    assert case.metrics == base_case(change.case_id).metrics


def test_harm_moves_a_link_but_where_the_samples_cannot_show_it():
    assert [change.slug for change in HARMFUL if change.link is None] == ["spelling"]


@pytest.mark.assets
@pytest.mark.parametrize("change", OF_CODECS, ids=lambda change: change.name)
def test_a_changed_codec_moves_the_stated_link(change):
    sample = first_sample(change)
    real, changed = base_case(change.case_id).codec, change.case().codec
    old, new = real.encode(sample.signal), changed.encode(sample.signal)
    before, after = real.decode(old), changed.decode(new)
    moved = (new != old, after.sha256() != before.sha256())
    if change.kind == "harmless":
        assert moved == (change.link == "encoded bytes", False)
    elif change.link == "encoded bytes":
        assert moved[0]
    else:
        assert moved == (False, True)
    form = "pixels" if isinstance(after, Image) else "samples"
    assert getattr(after, form).shape == getattr(before, form).shape


@pytest.mark.assets
@pytest.mark.parametrize("name", OF_MODELS)
def test_a_changed_model_gives_another_output(name):
    change = named(name)
    sample = first_sample(change)
    outputs = [
        case.task.load("cpu").evaluate([sample.signal], [sample])
        for case in (base_case(change.case_id), change.case())
    ]
    assert change.link == "model output"
    assert outputs[0] != outputs[1]


@pytest.mark.assets
def test_a_changed_metric_gives_another_distance():
    change = named("imagenet-mini.jpeg-q5.lpips-untrained")
    sample = first_sample(change)
    case = change.case()
    decoded = case.codec.decode(case.codec.encode(sample.signal))
    distances = [
        metric.load("cpu").distance(sample.signal, decoded)
        for metric in (base_case(change.case_id).task.perceptual, case.task.perceptual)
    ]
    assert distances[0] != distances[1]


def finding(kind: str, verdict: Verdict, **metric: Any) -> Finding:
    values = {
        "name": "top1",
        "unit": "",
        "higher_is_better": True,
        "decimals": 3,
        "value": 0.5,
        "baseline": 0.6,
        "drop": 0.1,
        "interval": None,
        "margin": 0.01,
        "smallest_detectable_drop": 0.05,
        "p_value": 0.001,
        "samples_needed": None,
        "method": "",
        **metric,
    }
    one = MetricJudgement(**values, verdict=verdict)
    change = next(change for change in CHANGES if change.kind == kind)
    return Finding(change, Judgement(verdict, (one,), "model output"))


@pytest.mark.parametrize(
    ("kind", "verdict", "metric", "number"),
    [
        ("harmless", Verdict.PASS, {}, 0),
        ("harmless", Verdict.IMPROVED, {}, 0),
        ("harmless", Verdict.REGRESSION, {}, 1),
        ("drift", Verdict.REGRESSION, {}, 0),
        ("harmful", Verdict.REGRESSION, {}, 0),
        ("harmful", Verdict.PASS, {}, 1),
        ("harmful", Verdict.PASS, {"drop": 0.04}, 0),
        ("harmful", Verdict.PASS, {"margin": 0.2}, 0),
        ("harmful", Verdict.PASS, {"smallest_detectable_drop": None}, 0),
        ("harmful", Verdict.PASS, {"drop": float("inf"), "smallest_detectable_drop": None}, 1),
        ("harmful", Verdict.PASS, {"drop": -0.1}, 0),
    ],
)
def test_what_counts_as_wrong(kind, verdict, metric, number):
    assert len(problems(finding(kind, verdict, **metric))) == number


def test_the_metric_that_moved_most_margins_decides():
    one = finding("harmful", Verdict.REGRESSION)
    assert one.deciding.name == "top1"
    assert one.failing == ["top1"]
    assert ratio(one.deciding) == pytest.approx(10)


def test_a_table_is_markdown():
    assert table(["a", "b"], [["1", "2"]]) == "| a | b |\n| --- | --- |\n| 1 | 2 |\n"
