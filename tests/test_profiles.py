import math
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from toy_gate import ToyTask, make_profile

from mpq_checks.baselines import baseline_path, read_baseline, unused_files
from mpq_checks.codecs import Jpeg, NoCodec, Opus
from mpq_checks.errors import ProfileError
from mpq_checks.profiles import DEFAULT_MARGINS, Case, Margin, Profile, cases, load_profile


@dataclass(frozen=True)
class Named(Jpeg):
    label: str = "jpeg"

    @property
    def name(self) -> str:
        return self.label


@pytest.mark.parametrize("label", ["jpeg_q5", "JPEG", "a/b", "../up", "", ".hidden", "q5 ", "q:5"])
def test_a_name_that_could_collide_or_climb_as_a_file_name_is_refused(label):
    with pytest.raises(ProfileError, match="is not of the form"):
        Case(ToyTask(), Named(label=label), DEFAULT_MARGINS)


def test_two_cases_of_one_name_are_refused():
    twice = cases([ToyTask()], [Jpeg(5), Named(quality=9, label="jpeg-q5")])
    with pytest.raises(ProfileError, match="two cases named toy/jpeg-q5"):
        Profile("toy", twice)


def test_a_codec_of_another_modality_is_refused():
    with pytest.raises(ProfileError, match="opus-6kbps codes audio, task toy reads image"):
        Case(ToyTask(), Opus(6), DEFAULT_MARGINS)


def test_a_metric_without_a_margin_is_refused():
    margins = {name: margin for name, margin in DEFAULT_MARGINS.items() if name != "nll"}
    with pytest.raises(ProfileError, match="toy/none: no margin for nll"):
        Case(ToyTask(), NoCodec("image"), margins)


@pytest.mark.parametrize("value", [-0.1, math.nan, math.inf])
def test_a_margin_is_finite_and_not_negative(value):
    with pytest.raises(ProfileError, match="margin"):
        Margin(value, "odd")


def test_a_relative_margin_is_a_part_of_the_baseline():
    assert Margin(0.02, "2%", relative=True).absolute(-5.0) == pytest.approx(0.1)
    assert Margin(0.02, "2 points").absolute(-5.0) == 0.02


def test_an_empty_profile_and_an_odd_name_are_refused():
    with pytest.raises(ProfileError, match="has no cases"):
        Profile("toy", ())
    with pytest.raises(ProfileError, match="profile name 'my profile'"):
        Profile("my profile", make_profile().cases)


def test_cases_pair_tasks_with_codecs_of_their_modality():
    made = cases([ToyTask(), replace(ToyTask(), name="other")], [Jpeg(5), Opus(6)])
    assert [case.id for case in made] == ["toy/jpeg-q5", "other/jpeg-q5"]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("maxi", "there is no profile 'maxi'; there are mini, mini-curves"),
        ("no_module_here:profile", "there is no module 'no_module_here'"),
        ("toy_gate:absent", "absent is NoneType, not a mpq_checks.profiles.Profile"),
        ("os:system('x')", "there is no profile"),
    ],
)
def test_a_profile_that_cannot_be_loaded_says_why(name, message):
    with pytest.raises(ProfileError) as error:
        load_profile(name)
    assert message in str(error.value)


def test_an_import_error_inside_a_users_module_is_not_hidden(tmp_path, monkeypatch):
    (tmp_path / "broken_gate.py").write_text("import a_library_that_is_not_there\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(ModuleNotFoundError, match="a_library_that_is_not_there"):
        load_profile("broken_gate:profile")


def test_mini_is_hashable_and_equal_to_itself_across_imports():
    profile = load_profile("mini")
    assert len({case.task for case in profile.cases}) == 6
    assert all(isinstance(hash(case.codec), int) for case in profile.cases)
    assert {metric.name for case in profile.cases for metric in case.metrics} <= set(
        DEFAULT_MARGINS
    )


def test_mini_curves_has_four_settings_of_each_codec_and_a_baseline_for_each():
    profile = load_profile("mini-curves")
    settings = Counter((case.task.name, type(case.codec)) for case in profile.cases)
    assert list(settings.values()) == [4] * 4
    folder = Path(__file__).parent.parent / "baselines"
    assert unused_files(folder, profile) == ()
    for case in profile.cases:
        baseline = read_baseline(
            baseline_path(folder, profile.name, case.task.name, case.codec.name)
        )
        assert baseline.evidence.identities["codec"]["codec"] == type(case.codec).__name__.lower()
