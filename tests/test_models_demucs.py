"""Demucs' packages: against the demucs package itself, and files gone wrong."""

import hashlib
import random
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from paper_models import demucs_package, write_demucs

from mpq_checks.errors import AssetCorruptError, AssetMissingError, ModelError, SignalError
from mpq_checks.models.demucs import STEMS, Demucs
from mpq_checks.models.demucs_packages import BAGS
from mpq_checks.signals import Audio


@pytest.fixture(scope="session")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("models")
    for name in ("htdemucs", "hdemucs_mmi", "mdx"):
        write_demucs(root / "demucs" / name, name)
    return root


@pytest.fixture
def models(packages: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MPQ_MODELS_DIR", str(packages))
    return packages


@pytest.fixture
def broken(packages: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of htdemucs, to be spoilt."""
    shutil.copytree(packages / "demucs" / "htdemucs", tmp_path / "demucs" / "htdemucs")
    monkeypatch.setenv("MPQ_MODELS_DIR", str(tmp_path))
    return tmp_path / "demucs" / "htdemucs"


def music(seconds: float = 2.5, channels: int = 2, rate: int = 44100) -> Audio:
    noise = np.random.default_rng(0).standard_normal((channels, int(seconds * rate)))
    return Audio((0.1 * noise + 0.02).astype(np.float32), rate)


def test_the_bags_are_those_of_the_package() -> None:
    import demucs.pretrained as package
    import yaml

    files = package._parse_remote_files(package.REMOTE_ROOT / "files.txt")
    for name, bag in BAGS.items():
        expected = yaml.safe_load((package.REMOTE_ROOT / f"{name}.yaml").read_text())
        assert list(bag.signatures) == expected["models"]
        assert bag.segment == expected.get("segment")
        weights = bag.weights and [list(row) for row in bag.weights]
        assert weights == expected.get("weights")
        assert all(signature in files for signature in bag.signatures)


@pytest.mark.parametrize("name", ["htdemucs", "hdemucs_mmi", "mdx"])
def test_stems_are_those_of_the_packages_own_separator(models: Path, name: Any) -> None:
    import torch
    import yaml
    from demucs.api import Separator
    from demucs.pretrained import REMOTE_ROOT

    folder = models / "demucs" / name
    if not (folder / f"{name}.yaml").exists():
        shutil.copy(REMOTE_ROOT / f"{name}.yaml", folder)
    assert yaml.safe_load((folder / f"{name}.yaml").read_text())["models"]
    own = Separator(name, repo=folder, device="cpu", shifts=0)
    mixture = music()
    _, expected = own.separate_tensor(torch.from_numpy(mixture.samples.copy()))
    found = Demucs(name).load("cpu").separate(mixture)
    assert tuple(found) == STEMS
    for stem in STEMS:
        assert found[stem].sample_rate == 44100
        np.testing.assert_allclose(found[stem].samples, expected[stem].numpy(), atol=1e-6)
        assert np.abs(found[stem].samples).max() > 1e-3


def test_shifts_are_drawn_anew_for_each_mixture_and_leave_the_generator_alone(models: Path) -> None:
    separator = Demucs("htdemucs", shifts=1, seed=3).load("cpu")
    random.seed(11)
    state = random.getstate()
    first = separator.separate(music())["bass"].samples
    assert random.getstate() == state
    separator.separate(music(0.5))
    np.testing.assert_array_equal(separator.separate(music())["bass"].samples, first)
    other = Demucs("htdemucs", shifts=1, seed=4).load("cpu").separate(music())["bass"].samples
    assert np.abs(other - first).max() > 0
    unshifted = Demucs("htdemucs").load("cpu").separate(music())["bass"].samples
    assert np.abs(unshifted - first).max() > 0


@pytest.mark.parametrize(
    ("channels", "rate", "seconds"), [(1, 44100, 1), (2, 48000, 1), (1, 8000, 1)]
)
def test_stems_have_the_form_of_the_mixture(
    models: Path, channels: int, rate: int, seconds: float
) -> None:
    mixture = music(seconds, channels, rate)
    for stem in Demucs().load("cpu").separate(mixture).values():
        assert stem.samples.shape == mixture.samples.shape
        assert stem.sample_rate == rate
        assert np.isfinite(stem.samples).all()


def test_silence_and_a_single_sample(models: Path) -> None:
    separator = Demucs().load("cpu")
    for mixture in (Audio(np.zeros((2, 4410), np.float32), 44100), music(1 / 44100)):
        for stem in separator.separate(mixture).values():
            assert stem.samples.shape == mixture.samples.shape
            assert np.isfinite(stem.samples).all()
    with pytest.raises(SignalError, match="3 channels"):
        separator.separate(music(0.1, channels=3))


def test_identity_follows_packages_and_settings(models: Path, broken: Path) -> None:
    identity = Demucs().identity()
    assert identity["weights_sha256"] == _sha256(next(broken.glob("*.th")))
    assert set(identity) == {
        *("architecture", "weights_sha256", "shifts", "overlap", "demucs", "torch", "soxr")
    }
    assert Demucs(shifts=1).identity()["shifts"] == "1, seed 0"
    assert Demucs(overlap=0.1).identity() != identity
    next(broken.glob("*.th")).unlink()
    (broken / "955717e8.th").write_bytes(demucs_package("HTDemucs", seed=5))
    assert Demucs().identity()["weights_sha256"] != identity["weights_sha256"]
    Demucs().load("cpu")
    assert Demucs().assets() == ()


def test_official_packages_are_assets(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from mpq_checks import assets
    from mpq_checks.assets.manifest import parse_manifest

    data = demucs_package("HTDemucs")
    filename = f"955717e8-{_digest(data)[:8]}.th"
    manifest = parse_manifest(
        f"""
[archives]
[assets.demucs-955717e8]
filename = "{filename}"
sha256_prefix = "{_digest(data)[:8]}"
max_bytes = 10000000
licence = "MIT"
origin = "test"
about = "test"
[[assets.demucs-955717e8.sources]]
url = "http://127.0.0.1:9/{filename}"
"""
    )
    monkeypatch.setattr(assets, "load_manifest", lambda: manifest)
    monkeypatch.setenv("MPQ_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("MPQ_WEIGHTS_DIR", str(tmp_path))
    monkeypatch.delenv("MPQ_MODELS_DIR", raising=False)
    assert Demucs().assets() == ("demucs-955717e8",)
    with pytest.raises(AssetMissingError, match="demucs-955717e8"):
        Demucs().load("cpu")
    (tmp_path / filename).write_bytes(data)
    assert Demucs().load("cpu").separate(music(0.5))["vocals"].num_samples == 22050
    assert Demucs().identity()["weights_sha256"] == _digest(data)


class _Harm:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return (Path.touch, (self.path,))


@pytest.mark.parametrize("place", ["klass", "kwargs", "state", "training_args"])
def test_a_package_with_code_is_not_run(broken: Path, tmp_path: Path, place: str) -> None:
    marker = tmp_path / "harmed"
    _replace(broken, demucs_package("HTDemucs", **{place: _Harm(marker)}))
    with pytest.raises(ModelError, match="is not a model package"):
        Demucs().load("cpu")
    assert not marker.exists()


def test_other_classes_are_refused(broken: Path) -> None:
    import torch

    _replace(broken, demucs_package("HTDemucs", klass=torch.nn.Linear))
    with pytest.raises(ModelError, match="is not a model package"):
        Demucs().load("cpu")
    from fractions import Fraction

    _replace(broken, demucs_package("HTDemucs", klass=Fraction))
    with pytest.raises(ModelError, match="no network of demucs"):
        Demucs().load("cpu")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"state": {"__quantized": True}}, "quantised"),
        ({"state": {}}, "is not a model package"),
        ({"kwargs": {}}, "is not a model package"),
    ],
)
def test_packages_gone_wrong(broken: Path, changes: Any, message: str) -> None:
    _replace(broken, demucs_package("HTDemucs", **changes))
    with pytest.raises(ModelError, match=message):
        Demucs().load("cpu")


def test_truncated_renamed_missing_and_doubled_files(broken: Path) -> None:
    path = next(broken.glob("*.th"))
    data = path.read_bytes()
    path.write_bytes(data[:1000])
    with pytest.raises(AssetCorruptError, match=r"955717e8-.*as its name"):
        Demucs().load("cpu")
    _replace(broken, data[:1000])
    with pytest.raises(ModelError, match="is not a model package"):
        Demucs().load("cpu")
    (broken / "955717e8.th").write_bytes(data)
    (broken / "955717e8-00000000.th").write_bytes(data)
    with pytest.raises(ModelError, match="2 packages 955717e8"):
        Demucs().load("cpu")
    for file in broken.glob("*.th"):
        file.unlink()
    with pytest.raises(ModelError, match="no package 955717e8"):
        Demucs().identity()


def test_parameters_that_a_newer_package_no_longer_has_are_dropped(broken: Path) -> None:
    from fractions import Fraction

    kwargs = {"sources": list(STEMS), "channels": 4, "dconv_comp": 2, "bottom_channels": 16}
    kwargs |= {"t_layers": 1, "t_heads": 2, "segment": Fraction(3, 2), "of_another_age": 1}
    _replace(broken, demucs_package("HTDemucs", kwargs=kwargs))
    Demucs().load("cpu")


def test_settings_are_checked() -> None:
    with pytest.raises(ModelError, match="there are mdx, mdx_extra"):
        Demucs("mdx_extra_q")  # type: ignore[arg-type]
    for settings in ({"shifts": -1}, {"overlap": 1.0}):
        with pytest.raises(ModelError, match="shifts"):
            Demucs(**settings)  # type: ignore[arg-type]


def test_without_the_package_the_extra_is_named(models: Path, monkeypatch: Any) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "demucs.apply", None)
    with pytest.raises(ModelError, match=r"mpq-checks\[paper\]"):
        Demucs().load("cpu")


def _replace(folder: Path, data: bytes) -> None:
    for path in folder.glob("*.th"):
        path.unlink()
    (folder / "955717e8.th").write_bytes(data)


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _sha256(path: Path) -> str:
    return _digest(path.read_bytes())
