"""Which cases of a run make a curve, and what is said where one cannot be had."""

from dataclasses import dataclass, replace

import pytest
from curve_rows import few_resamples
from toy_gate import MARGINS, ToyTask

from mpq_checks.codecs import Jpeg, NoCodec
from mpq_checks.curves import curves_of_run, resampling
from mpq_checks.gate import GateSettings, run_case
from mpq_checks.profiles import Profile, cases
from mpq_checks.update import accept

QUALITIES = (20, 40, 60, 80)
NAMES = tuple(f"jpeg-q{quality}" for quality in QUALITIES)


@dataclass(frozen=True)
class Lower(Jpeg):
    """Encodes at half the quality."""

    def encode(self, signal):
        return Jpeg(self.quality // 2).encode(signal)


@dataclass(frozen=True)
class Failing(Lower):
    """Fails at one quality, where it does not even know its settings."""

    def encode(self, signal):
        if self.quality == 60:
            raise RuntimeError("the encoder broke")
        return super().encode(signal)

    def identity(self):
        if self.quality == 60:
            raise RuntimeError("no library")
        return super().identity()


@dataclass(frozen=True)
class Nameless(Jpeg):
    """Names no codec."""

    def identity(self):
        return {"quality": str(self.quality)}


def profile(jpeg):
    return Profile("toy", cases([ToyTask()], [NoCodec("image"), *map(jpeg, QUALITIES)], MARGINS))


@pytest.fixture(autouse=True)
def _few_resamples(monkeypatch):
    monkeypatch.setattr(resampling, "cluster_counts", few_resamples)


@pytest.fixture
def run(tmp_path):
    """Runs the gate in this process after the first baselines were accepted."""

    def outcomes(of, **changes):
        settings = replace(GateSettings(of, tmp_path, device="cpu"), **changes)
        return [run_case(case, settings) for case in of.cases]

    def curves(jpeg, chosen=slice(None), **changes):
        of = profile(jpeg)
        return curves_of_run(of, outcomes(of, **changes)[chosen], tmp_path)

    accept(outcomes(profile(Jpeg), update="new"), tmp_path, "toy", None)
    return curves


def test_the_settings_of_a_codec_make_a_curve_and_no_codec_none(run):
    (curve,) = run(Lower)
    assert (curve.task, curve.codec, curve.settings) == ("toy", "jpeg", NAMES)
    assert not curve.missing
    assert curve.metrics[0].drop != 0


def test_what_did_not_run_is_no_part_of_the_curve(run):
    (curve,) = run(Lower, slice(0, 3))
    assert curve.settings == NAMES[:2]
    assert run(Lower, slice(0, 2)) == ()


def test_a_subset_of_samples_is_compared_with_the_same_ones(run):
    (curve,) = run(Jpeg, num_samples=3)
    assert (curve.num_samples, curve.identical) == (3, True)


def test_a_case_that_was_not_measured_is_told(run):
    (curve,) = run(Failing)
    assert (curve.missing, curve.settings) == ("jpeg-q60 was not measured", NAMES)


def test_a_codec_that_names_no_family_is_one_by_its_class(run):
    assert [(curve.codec, curve.settings) for curve in run(Nameless)] == [("Nameless", NAMES)]


@pytest.mark.parametrize(
    ("damage", "why"),
    [
        (lambda text: "{", "not a whole JSON file"),
        (lambda text: text.replace('"jpeg-q40"', '"jpeg-q77"'), "is the baseline of toy/jpeg-q77"),
        (lambda text: text.replace('"correct"', '"right"'), "(KeyError: 'correct')"),
        (lambda text: text.replace("square-7", "square-9"), "lacks sample 'square-7'"),
    ],
)
def test_a_baseline_that_cannot_be_used_is_told(run, tmp_path, damage, why):
    path = tmp_path / "toy/toy/jpeg-q40.json"
    path.write_text(damage(path.read_text()))
    (curve,) = run(Lower)
    assert why in curve.missing
    assert not curve.metrics


def test_a_missing_baseline_is_told(run, tmp_path):
    (tmp_path / "toy/toy/jpeg-q40.json").unlink()
    (curve,) = run(Lower)
    assert curve.missing.endswith("jpeg-q40.json: there is no baseline")
    for path in tmp_path.rglob("jpeg*.json"):
        path.unlink()
    (curve,) = run(Lower)
    assert curve.missing == "there are no baselines to compare with"
