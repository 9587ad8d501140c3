"""How a case counts its numbers, and that the default changes nothing."""

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from toy_gate import ToyDataset, ToyTask, make_profile

from mpq_checks.aggregate import aggregate, tallies
from mpq_checks.baselines import baseline_path, read_baseline
from mpq_checks.errors import MetricError, ProfileError
from mpq_checks.evidence import Row
from mpq_checks.measure import measure
from mpq_checks.profiles import Case, Counting, load_profile
from mpq_checks.significance.estimates import value_interval

BASELINES = Path(__file__).parent.parent / "baselines"


def row(number: int, rate: float, psnr: float, distance: float) -> Row:
    digest = f"{number:064x}"
    statistics = {"correct": 1, "nll": 0.5}
    return Row(f"s{number}", None, digest, 10, digest, digest, rate, psnr, distance, statistics)


def counted(rows: list[Row], modality: str = "image", **counting: Any) -> dict[str, float]:
    case = replace(make_profile().cases[1], counting=Counting(**counting))
    if modality == "audio":
        object.__setattr__(case, "task", replace(ToyTask(), modality="audio"))
    return aggregate(case, rows)


ROWS = [row(1, 2.0, 30.0, 0.1), row(2, 4.0, 20.0, 0.4), row(3, 6.0, 10.0, 0.9)]


def test_the_rule_is_means_of_all_samples_in_bits() -> None:
    found = counted(ROWS)
    assert found["bits_per_pixel"] == 4.0
    assert found["psnr_db"] == 20.0
    assert found["lpips"] == pytest.approx(1.4 / 3)


def test_a_byte_may_count_as_one() -> None:
    assert counted(ROWS, bits_per_byte=1)["bits_per_pixel"] == 0.5


@given(order=st.permutations(ROWS))
def test_the_quality_of_few_samples_does_not_depend_on_the_order(order: list[Row]) -> None:
    found = counted(order, quality_samples=2)
    assert found["psnr_db"] == 25.0
    assert found["lpips"] == 0.25
    assert found["bits_per_pixel"] == 4.0
    assert counted(order, quality_samples=99)["psnr_db"] == 20.0


def test_audio_pools_the_errors_of_the_few() -> None:
    found = counted(ROWS, "audio", quality_samples=2)
    assert found["psnr_db"] == pytest.approx(-10 * math.log10((1e-3 + 1e-2) / 2))


def test_a_mean_of_logarithms_is_that_of_decibels() -> None:
    found = counted(ROWS, mean_of_logarithms=True)["lpips"]
    decibels = np.mean([-10 * np.log10(each.perceptual) for each in ROWS])
    assert -10 * math.log10(found) == pytest.approx(decibels)


def test_an_exact_copy_makes_a_mean_of_logarithms_zero() -> None:
    rows = [*ROWS, row(4, 1.0, math.inf, 0.0)]
    case = replace(make_profile().cases[1], counting=Counting(mean_of_logarithms=True))
    tally = tallies(case, rows)["lpips"]
    assert tally.value() == 0.0
    assert np.isfinite(tally.influence()).all()
    assert counted(rows, mean_of_logarithms=True, quality_samples=3)["lpips"] > 0


def test_intervals_of_few_samples_can_be_told() -> None:
    rows = [row(n, 1.0, 20.0 + n % 5, 0.1 + 0.01 * (n % 7)) for n in range(40)]
    counting = Counting(quality_samples=6, mean_of_logarithms=True)
    case = replace(make_profile().cases[1], counting=counting)
    for name in ("psnr_db", "lpips"):
        tally = tallies(case, rows)[name]
        interval = value_interval(tally, range(40))
        assert interval is not None
        assert interval[0] < tally.value() < interval[1]
        whole = value_interval(tallies(make_profile().cases[1], rows)[name], range(40))
        assert whole is not None
        assert interval[1] - interval[0] > whole[1] - whole[0]


@pytest.mark.parametrize("modality", ["image", "audio"])
def test_nan_is_refused(modality: str) -> None:
    with pytest.raises(MetricError, match="psnr_db"):
        counted([row(1, 1.0, math.nan, 0.1)], modality)
    with pytest.raises(MetricError, match="lpips"):
        counted([row(1, 1.0, 30.0, math.nan)], modality, mean_of_logarithms=True)


@pytest.mark.parametrize(
    "setting", [{"bits_per_byte": 0}, {"bits_per_byte": 9}, {"quality_samples": 0}]
)
def test_what_counts_nothing_is_refused(setting: dict[str, int]) -> None:
    with pytest.raises(ProfileError):
        Counting(**setting)


def test_identity_says_what_differs_from_the_rule() -> None:
    assert Counting().identity() == {}
    assert Counting(1, 3, True).identity() == {
        "bits_per_byte": "1",
        "quality_samples": "3",
        "distance": "geometric mean over samples",
    }
    case = make_profile().cases[1]
    assert "counting" not in measure(case).identities
    published = replace(case, counting=Counting(bits_per_byte=1))
    evidence = measure(published)
    assert evidence.identities["counting"] == {"bits_per_byte": "1"}
    assert evidence.rows == measure(case).rows


class _Moved(ToyDataset):
    def origin(self) -> dict[str, str]:
        return {"commit": "abc"}


def test_where_the_samples_are_from_is_part_of_the_task() -> None:
    case = make_profile(task=ToyTask(dataset=_Moved())).cases[1]
    assert measure(case).identities["task"]["dataset commit"] == "abc"
    assert set(case.identities()) == {"codec", "task", "perceptual"}


@pytest.mark.parametrize("name", ["mini", "mini-curves"])
def test_stored_baselines_are_counted_as_before(name: str) -> None:
    profile = load_profile(name)
    for case in profile.cases:
        path = baseline_path(BASELINES, name, case.task.name, case.codec.name)
        stored = read_baseline(path)
        assert set(stored.evidence.identities) == {"codec", "task", "perceptual"}
        found = aggregate(case, stored.evidence.rows)
        for metric, value in json.loads(path.read_text())["metrics"].items():
            assert found[metric] == pytest.approx(float(value), rel=1e-8)
    assert all(case == Case(case.task, case.codec, case.margins) for case in profile.cases)
