"""Printed numbers: the paper's tables as stored, the files, the verdicts, and the study of them."""

import json
import math
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from jsonschema import Draft202012Validator
from toy_gate import make_profile

from mpq_checks import doctor
from mpq_checks.analysis import correlations, findings, points_of_printed
from mpq_checks.baselines import baseline_path, unused_files
from mpq_checks.errors import BaselineError, MetricError, ResultsError
from mpq_checks.evidence import decode_floats
from mpq_checks.gate import GateSettings, run_case
from mpq_checks.printed import (
    PrintedMetric,
    checked_printed,
    closeness_tally,
    comparison,
    is_printed,
    printed_files,
    read_printed,
)
from mpq_checks.profiles import Profile, load_profile
from mpq_checks.profiles.counting import Counting
from mpq_checks.report.printed import printed_table
from mpq_checks.results import results
from mpq_checks.results.printed import PAPER
from mpq_checks.review import Kind, compare, opened
from mpq_checks.verdict import Verdict

BASELINES = Path(__file__).parent.parent / "baselines"
FOLDER = BASELINES / PAPER

# Read off the paper a second time: score, rate, PSNR, closeness.
CELLS = {
    "imagenet-1k/jpeg": ("0.639", "0.2647", "23.18", "6.109"),
    "imagenet-1k/hific": ("0.795", "0.0263", "26.25", "10.834"),
    "beans/webp": ("0.9548", "0.1415", "21.96", "6.749"),
    "beans/hific": ("0.9849", "0.0286", "21.82", "9.779"),
    "chest-xray/mbt2018": ("0.9484", "0.0323", "34.70", "7.799"),
    "ade20k/hific": ("0.3008", "0.0254", "27.70", "11.81"),
    "musdb18-hq/opus": ("0.2986", "0.06615", "22.17", "36.46"),
    "common-voice-11/encodec": ("0.7950", "0.1262", "29.04", "46.34"),
}
UNCOMPRESSED = {
    "imagenet-1k": "0.799",
    "beans": "0.9774",
    "chest-xray": "0.9656",
    "ade20k": "0.3189",
    "musdb18-hq": "6.286",
    "common-voice-11": "0.8488",
}
SCORES = {"ade20k": "mean_iou", "musdb18-hq": "sdr_db", "common-voice-11": "wra"}


@pytest.fixture(scope="module")
def stored():
    return {f"{one.task}/{one.family}": one for one in printed_files(FOLDER)}


def test_each_case_of_the_profile_has_its_numbers(stored):
    """And each number a metric of its case, each erratum of its score a name that the case has."""
    profile = load_profile(PAPER)
    for case in profile.cases:
        path = baseline_path(BASELINES, profile.name, case.task.name, case.codec.name)
        one = checked_printed(read_printed(path), path, case)
        named = {name for metric in one.metrics.values() for name in metric.errata}
        assert named <= set(case.errata), case.id
    assert unused_files(BASELINES, profile) == ()
    assert len(profile.cases) == len(stored)


def value(stored, case, metric):
    return stored[case].metrics[metric].value


# The tables.


def test_all_pairs_are_there_each_in_its_place(stored):
    paths = sorted(FOLDER.rglob("*.json"))
    assert len(paths) == len(stored) == 28 + 4
    for path in paths:
        one = read_printed(path)
        assert (one.profile, one.task) == (PAPER, path.parent.name)
        assert one.codec == path.stem
        printed = one.source.startswith("Jacobellis, Cummings, Yadwadkar: Machine Perceptual Q")
        assert printed == (one.task != "common-voice-11-tiny")


@pytest.mark.parametrize("case", CELLS)
def test_cells_are_as_printed(stored, case):
    audio = stored[case].modality == "audio"
    names = ("bits_per_sample" if audio else "bits_per_pixel", "psnr_db")
    closeness = "cdpam_db" if audio else "lpips_db"
    score = SCORES.get(stored[case].task, "top1")
    printed = [str(stored[case].metrics[name]) for name in (score, *names, closeness)]
    assert tuple(printed) == CELLS[case]
    assert len(stored[case].metrics) == 4


def test_uncompressed_scores_are_as_printed(stored):
    for task, text in UNCOMPRESSED.items():
        (score,) = stored[f"{task}/none"].metrics.values()
        assert str(score) == text


def test_accuracies_are_whole_numbers_of_images(stored):
    for one in stored.values():
        if "top1" in one.metrics:
            score = one.metrics["top1"]
            hits = math.ceil(score.value * score.num_samples - 1e-9)
            assert 0 <= hits / score.num_samples - score.value < score.last_digit


def test_mp3_spends_its_least_bit_rate(stored):
    """MPEG-1 Layer III has nothing below 32 kbps; asked for were 8."""
    music = value(stored, "musdb18-hq/mp3", "bits_per_sample") * 44_100 * 2 / 1000
    speech = value(stored, "common-voice-11/mp3", "bits_per_sample") * 48_000 / 1000
    assert music == pytest.approx(32.0, abs=0.05)
    assert speech == pytest.approx(32.1, abs=0.05)


def test_encodec_spends_six_kilobits(stored):
    rate = value(stored, "musdb18-hq/encodec", "bits_per_sample")
    assert rate * 44_100 * 2 / 1000 == pytest.approx(6.0, rel=0.02)
    # One channel was made two: the model is stereo, the clips are not.
    rate = value(stored, "common-voice-11/encodec", "bits_per_sample")
    assert rate * 48_000 / 1000 == pytest.approx(6.0, rel=0.02)


def test_the_stated_compression_ratio_is_of_bytes(stored):
    """ "839:1" is 24 bits over the printed rate of beans, which is in bytes."""
    rate = value(stored, "beans/hific", "bits_per_pixel")
    assert 24 / rate == pytest.approx(839, abs=0.5)
    assert 24 / (8 * rate) == pytest.approx(105, abs=0.5)


@pytest.mark.parametrize("task", ["imagenet-1k", "ade20k", "beans", "chest-xray"])
def test_at_its_true_rate_hific_costs_more_than_webp_and_mbt2018(stored, task):
    rates = {
        family: value(stored, f"{task}/{family}", "bits_per_pixel")
        for family in ("jpeg", "webp", "mbt2018", "hific")
    }
    assert rates["hific"] == min(rates.values())
    assert rates["jpeg"] > 8 * rates["hific"] > max(rates["webp"], rates["mbt2018"])


def test_errata_are_told_where_they_apply(stored):
    for case, one in stored.items():
        rate = next(iter(one.metrics.values()))
        hific = one.family == "hific"
        assert ("hific-rate-in-bytes" in rate.errata) == hific, case
        if "psnr_db" in one.metrics:
            assert ("lpips_db" in one.metrics) == (one.modality == "image")
    assert stored["beans/jpeg"].metrics["psnr_db"].num_samples == 3
    assert stored["beans/jpeg"].metrics["top1"].num_samples == 133


# The study of the tables.


def corrected(points):
    """HiFiC's rate in bits."""
    return [
        replace(point, rate=8 * point.rate) if point.family == "hific" else point
        for point in points
    ]


def test_correlations_of_the_tables_are_those_of_scipy(stored):
    from scipy.stats import kendalltau, pearsonr, spearmanr

    functions = {"pearson": pearsonr, "spearman": spearmanr, "kendall": kendalltau}
    found = correlations(points_of_printed(FOLDER).points, kinds=("task",))
    assert len(found) == 6 * 2 * 3
    for one in found:
        cases = [
            c for t, c in stored.items() if t.startswith(f"{one.group}/") and c.family != "none"
        ]
        quality = "psnr_db" if one.quality == "psnr_db" else f"{one.quality_name}_db"
        qualities = [case.metrics[quality].value for case in cases]
        scores = [case.metrics[SCORES.get(one.group, "top1")].value for case in cases]
        expected = functions[one.coefficient](qualities, scores).statistic
        assert one.value == pytest.approx(expected, abs=1e-12), one


def test_correlations_across_tasks_are_those_of_numpy(stored):
    changes, psnrs, closeness = [], [], []
    for one in stored.values():
        if one.family != "none" and "psnr_db" in one.metrics:
            score = SCORES.get(one.task, "top1")
            original = value(stored, f"{one.task}/none", score)
            changes.append(one.metrics[score].value / original - 1)
            psnrs.append(one.metrics["psnr_db"].value)
            closeness.append(one.metrics.get("lpips_db", one.metrics.get("cdpam_db")).value)
    found = {
        (one.quality, one.coefficient): one.value
        for one in correlations(points_of_printed(FOLDER).points, kinds=("all",))
    }
    assert len(changes) == 22
    psnr = np.corrcoef(psnrs, changes)[0, 1]
    near = np.corrcoef(closeness, changes)[0, 1]
    assert found["psnr_db", "pearson"] == pytest.approx(psnr)
    assert found["closeness_db", "pearson"] == pytest.approx(near)
    assert (round(psnr, 2), round(near, 2)) == (0.37, -0.35)


def test_cdpam_ranks_the_codecs_of_neither_audio_task_as_well_as_psnr():
    """The paper says that it predicts better; its own table does not show that."""
    found = correlations(points_of_printed(FOLDER).points, kinds=("task",))
    ranks = {(one.group, one.quality): one.value for one in found if one.coefficient == "spearman"}
    for task, near in (("musdb18-hq", 0.5), ("common-voice-11", -0.5)):
        assert ranks[task, "psnr_db"] == pytest.approx(1.0)
        assert ranks[task, "closeness_db"] == pytest.approx(near)


@pytest.mark.parametrize(
    ("correct", "rivals", "held"),
    [(False, {"jpeg": 4, "webp": 4}, 1), (True, {"jpeg": 4}, 2)],
)
def test_the_first_finding_of_the_tables(correct, rivals, held):
    points = points_of_printed(FOLDER).points
    first = findings(corrected(points) if correct else points)[0]
    hific = [one for one in first.numbers if "hific" in one["case"]]
    counts: dict[str, int] = {}
    for one in hific:
        for rival in one["against"]:
            family = rival["case"].split("/")[1].split("-")[0]
            counts[family] = counts.get(family, 0) + 1
    assert counts == rivals
    assert [one["holds"] for one in first.numbers].count("yes") == held
    assert first.answer == "cannot be told"


def test_the_second_and_third_finding_of_the_tables():
    _, second, third = findings(points_of_printed(FOLDER).points)
    assert (second.answer, third.answer) == ("cannot be told", "cannot be told")
    over_tasks = next(
        one for one in second.numbers if one["kind"] == "tasks" and one["coefficient"] == "spearman"
    )
    # Spearman's coefficients of the six tasks, from their ranks by hand.
    closeness = np.mean([1.0, 1.0, 0.8, -0.6, -0.5, 0.5])
    psnr = np.mean([0.8, 0.8, 0.2, -0.6, 1.0, 1.0])
    assert over_tasks["closeness"] == pytest.approx(closeness)
    assert over_tasks["psnr"] == pytest.approx(psnr)
    raised = [one["case"] for one in third.numbers if one["better_by"] > 0]
    assert raised == ["beans/hific-lo", "chest-xray/jpeg-q5", "chest-xray/webp-q0"]
    assert not any(one["raised"] for one in third.numbers)


def test_a_folder_without_printed_numbers(tmp_path):
    with pytest.raises(ResultsError, match="no printed numbers"):
        points_of_printed(tmp_path)


# Tolerances.


def test_the_tolerance_is_half_the_interval_and_one_unit():
    one = PrintedMetric(0.70, 2, 100)
    found = comparison(one, 0.75, (0.65, 0.83), 100)
    assert found.tolerance == pytest.approx(0.09 + 0.01)
    assert found.agrees
    assert comparison(one, 0.81, (0.72, 0.90), 100).agrees is False
    assert comparison(one, 0.75, None, 100).agrees is None
    assert comparison(one, math.inf, (0.0, 1.0), 100).agrees is None


def test_fewer_printed_samples_allow_more():
    from scipy.stats import t

    few = comparison(PrintedMetric(20.0, 2, 3), 20.0, (19.0, 21.0), 133)
    grown = math.sqrt(133 / 3) * t.ppf(0.975, 2) / t.ppf(0.975, 132)
    assert few.half_width == pytest.approx(grown)
    more = comparison(PrintedMetric(20.0, 2, 1000), 20.0, (19.0, 21.0), 133)
    assert more.half_width == pytest.approx(1.0)


def test_images_average_logarithms_and_audio_distances():
    distances = [0.1, 0.001]
    assert closeness_tally("image", distances, "lpips_db").value() == pytest.approx(20.0)
    audio = closeness_tally("audio", distances, "cdpam_db").value()
    assert audio == pytest.approx(-10 * math.log10(0.0505))
    assert closeness_tally("image", [0.1, 0.0], "lpips_db").value() == math.inf
    assert closeness_tally("audio", [0.0, 0.0], "cdpam_db").value() == math.inf
    with pytest.raises(MetricError, match="lpips_db"):
        closeness_tally("image", [0.1, -0.1], "lpips_db")


# Files.


def printed_json(**metrics):
    return {
        "schema": "mpq-printed/1",
        "profile": "toy",
        "task": "toy",
        "codec": "jpeg-q50",
        "family": "jpeg",
        "modality": "image",
        "source": "A paper, Table 1",
        "metrics": metrics or {"top1": number(0.5)},
    }


def number(value, decimals=4, num_samples=8, errata=()):
    return {
        "value": value, "decimals": decimals, "num_samples": num_samples, "errata": list(errata),
    }  # fmt: skip


def write(path, data):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(data))
    return path


@pytest.mark.parametrize(
    ("metric", "field"),
    [
        (None, "metrics.top1"),
        ({"value": 0.5}, "metrics.top1 has .*decimals"),
        (number("0.5"), "metrics.top1.value"),
        (number(True), "metrics.top1.value"),
        (number(0.12345), "metrics.top1.value .* more than 4 decimals"),
        (number(0.5, decimals=-1), "metrics.top1.decimals"),
        (number(0.5, num_samples=1), "metrics.top1.num_samples"),
        (number(0.5, errata=["No Name"]), "metrics.top1.errata"),
        ({**number(0.5), "errata": "none"}, "metrics.top1.errata"),
    ],
)
def test_a_wrong_number_is_named(tmp_path, metric, field):
    path = write(tmp_path / "a.json", printed_json(top1=metric))
    with pytest.raises(BaselineError, match=rf"a\.json: {field}"):
        read_printed(path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"schema": "mpq-printed/2"}, "schema is 'mpq-printed/2'"),
        ({"source": ""}, "source"),
        ({"task": 3}, "task"),
        ({"metrics": {}}, "metrics"),
        ({"colour": "red"}, "unknown fields: colour"),
    ],
)
def test_a_wrong_field_is_named(tmp_path, change, message):
    path = write(tmp_path / "a.json", {**printed_json(), **change})
    with pytest.raises(BaselineError, match=rf"a\.json: .*{message}"):
        read_printed(path)


def test_what_is_no_file_of_printed_numbers(tmp_path):
    with pytest.raises(BaselineError, match="no such file"):
        read_printed(tmp_path / "a.json")
    for text in ("[1", "[]", '{"schema": NaN}'):
        (tmp_path / "a.json").write_text(text)
        assert not is_printed(tmp_path / "a.json")
        with pytest.raises(BaselineError, match=r"a\.json"):
            read_printed(tmp_path / "a.json")
    (tmp_path / "a.json").write_bytes(b"\xff\xfe")
    with pytest.raises(BaselineError, match="cannot be read"):
        read_printed(tmp_path / "a.json")
    assert not is_printed(tmp_path)


def test_a_torn_file_is_still_known_for_what_it_is(tmp_path):
    path = write(tmp_path / "a.json", printed_json())
    path.write_text(path.read_text()[:60])
    assert is_printed(path)
    with pytest.raises(BaselineError, match="not a whole JSON file"):
        read_printed(path)


# The gate.


@pytest.fixture(scope="module")
def measured():
    """What the toy case measures, by name."""
    profile = make_profile()
    settings = GateSettings(profile, Path("nowhere"), "new", device="cpu")
    outcome = run_case(profile.cases[1], settings)
    return {name: decode_floats(metric["value"]) for name, metric in outcome.metrics.items()}


def gate(folder, data, **settings):
    profile = make_profile()
    path = write(folder / "toy" / "toy" / "jpeg-q50.json", data)
    before = path.read_bytes()
    outcome = run_case(profile.cases[1], GateSettings(profile, folder, device="cpu", **settings))
    assert path.read_bytes() == before
    assert not outcome.accept
    return outcome


def near(measured, **changes):
    """Numbers that a paper would have printed of what is measured."""
    return {name: number(round(measured[name] + changes.get(name, 0), 4)) for name in (
        "bits_per_pixel", "psnr_db", "nll")}  # fmt: skip


def test_within_the_tolerances_it_passes_and_tells_both_numbers(tmp_path, measured):
    metrics = near(measured)
    metrics["bits_per_pixel"]["errata"] = ["rate-in-bytes"]
    metrics["lpips_db"] = number(round(-10 * math.log10(measured["lpips"]), 1), decimals=1)
    outcome = gate(tmp_path, printed_json(**metrics))
    assert (outcome.passed, outcome.verdict) == (True, Verdict.PASS)
    assert outcome.metrics["top1"]["verdict"] == outcome.metrics["lpips"]["verdict"] == "NEW"
    assert outcome.metrics["lpips_db"]["verdict"] == "PASS"
    notes = outcome.judgement["notes"]
    assert notes[0].endswith("A paper, Table 1")
    rate = f"{measured['bits_per_pixel']:.4f}"
    told = next(note for note in notes if note.startswith("bits_per_pixel"))
    assert told.startswith(f"bits_per_pixel: printed {rate}, measured {rate}, tolerance 0.")
    assert told.endswith("; erratum rate-in-bytes")


@pytest.mark.parametrize(
    ("changes", "verdict"),
    [
        ({"bits_per_pixel": -1}, Verdict.REGRESSION),
        ({"bits_per_pixel": 1}, Verdict.IMPROVED),
        ({"psnr_db": 20}, Verdict.REGRESSION),
        ({"psnr_db": 20, "bits_per_pixel": 1}, Verdict.REGRESSION),
    ],
)
def test_beyond_them_it_is_worse_or_better_than_printed(tmp_path, measured, changes, verdict):
    outcome = gate(tmp_path, printed_json(**near(measured, **changes)))
    assert outcome.verdict is verdict
    assert outcome.passed == (verdict is Verdict.IMPROVED)
    if not outcome.passed:
        assert "drop" in outcome.message


def test_one_sample_gives_no_interval(tmp_path, measured):
    outcome = gate(tmp_path, printed_json(**near(measured)), num_samples=1)
    assert outcome.verdict is Verdict.INCONCLUSIVE
    assert any("no interval" in note for note in outcome.judgement["notes"])


def test_no_update_replaces_what_was_printed(tmp_path, measured):
    for settings in ({"update": "all", "reason": "why"}, {"update": "all"}):
        outcome = gate(tmp_path, printed_json(**near(measured)), **settings)
        assert not outcome.passed
        assert "no measurement replaces it" in outcome.message
        assert "--mpq-baselines" in outcome.message
    assert gate(tmp_path, printed_json(**near(measured)), update="new").passed


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"codec": "jpeg-q51"}, "codec is 'jpeg-q51', not 'jpeg-q50'"),
        ({"metrics": {"wra": number(0.5)}}, "metrics.wra is no metric of toy/jpeg-q50"),
        ({"source": 1}, "source is 1"),
    ],
)
def test_foreign_numbers_fail_and_are_kept(tmp_path, change, message):
    data = {**printed_json(), **change}
    outcome = gate(tmp_path, data, update="all", reason="why")
    assert outcome.verdict is Verdict.ERROR
    assert message in outcome.message
    assert "Restore the file" in outcome.message


def test_a_case_that_counts_otherwise_is_judged_as_it_counts(tmp_path, measured):
    counting = Counting(bits_per_byte=1, quality_samples=3, mean_of_logarithms=True)
    plain = make_profile()
    case = replace(plain.cases[1], counting=counting, errata=("rate-in-bytes",))
    profile = Profile("toy", (case,))
    metrics = near(measured)
    metrics["bits_per_pixel"] = number(round(measured["bits_per_pixel"] / 8, 4))
    metrics["lpips_db"] = number(14.0, num_samples=3)
    folder = tmp_path / "baselines"
    path = write(folder / "toy" / "toy" / "jpeg-q50.json", printed_json(**metrics))
    outcome = run_case(case, GateSettings(profile, folder, device="cpu"))
    judged = outcome.metrics
    assert judged["bits_per_pixel"]["verdict"] == "PASS"
    assert judged["lpips_db"]["value"] == pytest.approx(
        -10 * math.log10(judged["lpips"]["value"]), abs=1e-6
    )
    assert outcome.judgement["notes"][-1] == "errata that this case repeats: rate-in-bytes"
    assert replace(outcome, reproduce="pytest x").accept_command == ""
    # The spread is that of all eight samples, widened to three.
    whole = replace(case, counting=Counting(bits_per_byte=1))
    wide = run_case(whole, GateSettings(profile, folder, device="cpu")).metrics["lpips_db"]
    assert wide["value"] != judged["lpips_db"]["value"]
    assert judged["lpips_db"]["margin"] == pytest.approx(wide["margin"])
    # The table after the run has the same numbers.
    (folder / PAPER / "toy").mkdir(parents=True)
    shutil.copy(path, folder / PAPER / "toy")
    (compared,) = results(profile, [outcome], folder)["printed"].values()
    for name, one in compared.items():
        assert one["measured"] == pytest.approx(judged[name]["value"])
        assert one["tolerance"] == pytest.approx(judged[name]["margin"])


# What is printed after a run, the doctor, and `mpq diff`.


def test_the_table_holds_every_cell(tmp_path, measured):
    profile = make_profile()
    metrics = near(measured, psnr_db=20)
    metrics["psnr_db"]["errata"] = [f"a-known-slip-of-some-length-{i}" for i in range(3)]
    metrics["lpips_db"] = number(round(-10 * math.log10(measured["lpips"]), 1), decimals=1)
    folder = tmp_path / "baselines"
    write(folder / PAPER / "toy" / "jpeg.json", printed_json(**metrics))
    settings = GateSettings(profile, folder, "new", device="cpu")
    outcomes = [run_case(case, settings) for case in profile.cases]
    document = results(profile, outcomes, folder)
    (compared,) = document["printed"].values()
    assert list(compared) == ["bits_per_pixel", "psnr_db", "nll", "lpips_db"]
    lines = printed_table(document)
    assert max(map(len, lines)) <= 100
    assert lines[1] == "toy/jpeg-q50"
    psnr = next(line for line in lines if "psnr_db" in line)
    assert f"{measured['psnr_db'] + 20:.4f}" in psnr
    assert " * a-known-slip-of-some-length-0" in psnr
    assert "1 of 4 printed numbers differ from the measured ones (*)" in lines
    assert printed_table(results(profile, outcomes, tmp_path)) == []


def test_the_doctor_names_printed_numbers(tmp_path):
    profile = make_profile()
    write(tmp_path / "toy" / "toy" / "jpeg-q50.json", printed_json())
    found = [finding for finding in doctor.examine(profile, tmp_path) if "jpeg-q50" in finding.what]
    (baseline,) = [finding for finding in found if finding.what.startswith("baseline")]
    assert baseline.ok
    assert baseline.state == "printed, not measured: A paper, Table 1"


def test_a_review_names_printed_numbers(tmp_path):
    profile = make_profile()
    path = write(tmp_path / "old" / "toy" / "toy" / "jpeg-q50.json", printed_json())
    shutil.copytree(tmp_path / "old", tmp_path / "new")
    same = review(profile, tmp_path)
    assert same.cases[1].kind is Kind.PRINTED
    assert same.complete
    write(tmp_path / "new" / path.relative_to(tmp_path / "old"), printed_json(nll=number(0.1)))
    changed = review(profile, tmp_path)
    assert changed.cases[1].kind is Kind.INCOMPARABLE
    assert not changed.complete
    assert changed.cases[1].problem == (
        "printed numbers changed: before printed numbers, now printed numbers"
    )
    path.unlink()
    assert "before nothing" in review(profile, tmp_path).cases[1].problem


def review(profile, folder):
    with (
        opened(str(folder / "old"), "toy", folder) as old,
        opened(str(folder / "new"), "toy", folder) as new,
    ):
        return compare(profile, old, new)


# The schema.


def test_the_files_keep_their_schema():
    schema = json.loads(
        (BASELINES.parent / "docs" / "reference" / "schemas" / "printed.schema.json").read_text()
    )
    validator = Draft202012Validator(schema)
    for path in sorted(FOLDER.rglob("*.json")):
        assert list(validator.iter_errors(json.loads(path.read_text()))) == []
    assert list(validator.iter_errors(printed_json(top1=number("0.5"))))
    assert list(validator.iter_errors({**printed_json(), "colour": "red"}))
