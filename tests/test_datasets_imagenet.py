"""The ImageNet photographs: labels, order, hashes; and what their model makes of them."""

import hashlib
import re
import shutil
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from mpq_checks.assets import asset_path
from mpq_checks.datasets import imagenet_mini
from mpq_checks.datasets.imagenet_mini import ImagenetMini
from mpq_checks.errors import DatasetError
from mpq_checks.signals import Image


@pytest.fixture
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stand-ins for the two asset folders, below one."""
    for asset in ImagenetMini().assets():
        (tmp_path / asset).mkdir()
    monkeypatch.setattr(imagenet_mini, "asset_path", lambda name: tmp_path / name)
    return tmp_path


def write(path: Path, level: int = 90) -> None:
    PIL.Image.new("RGB", (8, 6), (level, 20, 30)).save(path)


@pytest.mark.assets
def test_has_seventy_photographs_of_many_classes() -> None:
    dataset = ImagenetMini()
    ids = dataset.sample_ids()
    samples = [dataset.load(sample_id) for sample_id in ids]
    assert len(set(ids)) == len(ids) == 70
    assert len({sample.content_sha256 for sample in samples}) == 70
    assert len({sample.reference for sample in samples}) > 60
    assert all(0 <= sample.reference < 1000 for sample in samples)
    for sample in samples:
        assert isinstance(sample.signal, Image)
        assert 375 <= min(sample.signal.height, sample.signal.width) <= 1024
        assert sample.cluster is None
    assert ids == dataset.sample_ids()


@pytest.mark.assets
def test_label_and_pixels_are_those_of_the_file() -> None:
    sample = ImagenetMini().load("imagenet_16_251")
    path = asset_path("imagenet-foolbox") / "imagenet_16_251.jpg"
    with PIL.Image.open(path) as opened:
        assert np.array_equal(sample.signal.pixels, np.array(opened.convert("RGB")))
    assert sample.reference == 251
    lines = "".join(hashlib.sha256(part).hexdigest() + "\n" for part in (path.read_bytes(), b"251"))
    assert sample.content_sha256 == hashlib.sha256(lines.encode()).hexdigest()


@pytest.mark.assets
def test_content_hash_depends_on_the_label(folders: Path) -> None:
    for name in ("a_0007", "a_0008"):
        write(folders / "imagenet-robust-vision" / f"{name}.png")
    one, two = (ImagenetMini().load(name) for name in ("a_0007", "a_0008"))
    assert np.array_equal(one.signal.pixels, two.signal.pixels)
    assert one.content_sha256 != two.content_sha256


def test_order_is_of_names_not_of_the_disk(folders: Path) -> None:
    for name in ("c_3", "a_1", "b_2"):
        write(folders / "imagenet-foolbox" / f"{name}.jpg")
    write(folders / "imagenet-robust-vision" / "z_9.png")
    assert ImagenetMini().sample_ids() == ("z_9", "a_1", "b_2", "c_3")


def test_creating_it_reads_nothing(folders: Path) -> None:
    shutil.rmtree(folders)
    assert ImagenetMini().name == "imagenet-mini"
    assert ImagenetMini() == ImagenetMini()


@pytest.mark.parametrize("sample_id", ["missing_7", "../a_1", ""])
def test_unknown_sample_is_named(folders: Path, sample_id: str) -> None:
    write(folders / "imagenet-robust-vision" / "a_1.png")
    with pytest.raises(DatasetError, match=re.escape(repr(sample_id))):
        ImagenetMini().load(sample_id)


@pytest.mark.parametrize("stem", ["photo", "photo_", "photo_1000", "photo_x"])
def test_file_without_a_class_is_named(folders: Path, stem: str) -> None:
    write(folders / "imagenet-robust-vision" / f"{stem}.png")
    with pytest.raises(DatasetError, match=f"{stem}.png"):
        ImagenetMini().load(stem)


def test_file_that_is_no_image_is_named(folders: Path) -> None:
    (folders / "imagenet-robust-vision" / "a_1.png").write_bytes(b"no image")
    with pytest.raises(DatasetError, match=r"a_1\.png"):
        ImagenetMini().load("a_1")
