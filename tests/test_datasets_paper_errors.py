"""What the paper's datasets say where data is gated, moved, missing or damaged."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import imageio_ffmpeg
import numpy as np
import pytest
from hub_server import HubServer
from paper_data import COMMON_VOICE_HUB, PaperData, jpeg, parquet, png, wav

from mpq_checks.datasets import hub as reader
from mpq_checks.datasets import parquet as rows_of
from mpq_checks.datasets.paper import Ade20k, Beans, ChestXray, CommonVoice, ImageNet, Musdb
from mpq_checks.datasets.paper import beans as beans_module
from mpq_checks.errors import AssetCorruptError, AssetMissingError, DatasetError

IMAGENET = "ILSVRC/imagenet-1k"
BEANS = "AI-Lab-Makerere/beans"
BEANS_FILE = "data/validation-00000-of-00001.parquet"


@pytest.fixture(scope="module")
def data() -> PaperData:
    return PaperData()


@pytest.fixture
def hub(data: PaperData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HubServer]:
    server = HubServer()
    server.files.update(data.repositories())
    server.use(monkeypatch, tmp_path / "hf")
    monkeypatch.setenv("MPQ_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.delenv("MPQ_DATA_DIR", raising=False)
    monkeypatch.delenv("MPQ_OFFLINE", raising=False)
    yield server
    server.close()


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    monkeypatch.setenv("MPQ_DATA_DIR", str(folder))
    return folder


def refusal(dataset: Any, kind: type[Exception] = AssetMissingError) -> str:
    with pytest.raises(kind) as caught:
        dataset.sample_ids()
    return str(caught.value)


def load_all(dataset: Any) -> None:
    for sample_id in dataset.sample_ids():
        dataset.load(sample_id)


@pytest.mark.parametrize("token", [None, "hf_not_accepted"])
def test_gated_data_says_how_to_get_it(
    token: str | None, hub: HubServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.gated.add(IMAGENET)
    if token:
        monkeypatch.setenv("HF_TOKEN", token)
    message = refusal(ImageNet())
    for part in (
        "is gated on the hub",
        "https://huggingface.co/datasets/ILSVRC/imagenet-1k",
        "hf auth login",
        "MPQ_DATA_DIR",
        "ILSVRC2012_img_val",
    ):
        assert part in message
    assert not hub.downloads


def test_the_token_comes_from_the_standard_place(
    data: PaperData, hub: HubServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.gated.add(IMAGENET)
    monkeypatch.setenv("HF_TOKEN", "hf_good")
    assert ImageNet().sample_ids() == tuple(data.imagenet)


def test_a_repository_that_is_gone(hub: HubServer) -> None:
    hub.closed.add(BEANS)
    message = refusal(Beans())
    assert "the hub has no dataset AI-Lab-Makerere/beans" in message
    assert "as beans/validation" in message


def test_common_voice_is_not_asked_of_the_hub(hub: HubServer) -> None:
    message = refusal(CommonVoice())
    assert "Mozilla Data Collective" in message
    assert "https://datacollective.mozillafoundation.org/datasets" in message
    assert "cv-corpus-11.0-*/en" in message
    assert hub.requests == 0


def test_a_repository_without_the_files(hub: HubServer) -> None:
    hub.files[BEANS] = {"data/validation.zip": b"x", "beans.py": b"raise SystemExit"}
    assert "has no files like data/validation-*.parquet" in refusal(Beans())


def test_a_split_that_the_hub_converted_in_part(hub: HubServer, data: PaperData) -> None:
    repo = "keremberke/chest-xray-classification"
    whole = data.repositories()[repo]["full/validation/0000.parquet"]
    hub.files[repo] = {"full/partial-validation/0000.parquet": whole}
    assert "only the beginning" in refusal(ChestXray(), DatasetError)
    assert len(ChestXray(limit=3).sample_ids()) == 3


def test_offline_asks_nobody(hub: HubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MPQ_OFFLINE", "1")
    message = refusal(Beans())
    assert "downloads are off" in message
    assert "MPQ_DATA_DIR" in message
    assert hub.requests == 0


def test_the_hubs_own_offline_mode(hub: HubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants
    from huggingface_hub.utils import close_session

    close_session()
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    try:
        assert "Get beans from" in refusal(Beans())
    finally:
        close_session()
    assert hub.requests == 0


def test_a_hub_that_cannot_be_reached(hub: HubServer) -> None:
    hub.close()
    message = refusal(Beans())
    assert "Get beans from" in message


def test_files_lost_from_the_hubs_cache_are_missed_offline(
    hub: HubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Beans().sample_ids()
    reader._opened.cache_clear()
    assert Beans().status().present
    shutil.rmtree(tmp_path / "hf")
    monkeypatch.setenv("MPQ_OFFLINE", "1")
    assert not Beans().status().present
    assert "not in the hub's cache" in refusal(Beans())


def test_a_file_that_changed_after_it_was_recorded(hub: HubServer, tmp_path: Path) -> None:
    Beans().sample_ids()
    reader._opened.cache_clear()
    blob = next((tmp_path / "hf").rglob("*.parquet")).resolve()
    content = bytearray(blob.read_bytes())
    content[1000] ^= 1
    blob.write_bytes(content)
    message = refusal(Beans(), AssetCorruptError)
    assert "has SHA-256" in message
    assert "Delete it" in message


def test_a_damaged_record(hub: HubServer, tmp_path: Path) -> None:
    Beans().sample_ids()
    reader._opened.cache_clear()
    record = next((tmp_path / "cache" / "hub").glob("*.json"))
    for text in ("{", "[]", "{}", '{"repo": "else"}'):
        record.write_text(text)
        assert str(record) in refusal(Beans(), AssetCorruptError)
        assert str(record) in str(Beans().status().missing)


@pytest.mark.parametrize("share", [0, 0.5, 0.99])
def test_truncated_parquet(share: float, hub: HubServer) -> None:
    whole = hub.files[BEANS][BEANS_FILE]
    hub.files[BEANS][BEANS_FILE] = whole[: int(len(whole) * share)]
    assert "not a whole parquet file" in refusal(Beans(), DatasetError)


def _image_row(data: bytes = jpeg(np.zeros((8, 8, 3), np.uint8)), **columns: Any) -> Any:
    return {"image": {"bytes": data, "path": "a.jpg"}, **columns}


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([{"picture": _image_row()["image"], "labels": 0}], "has no column image"),
        ([_image_row(b"", labels=0)], "no image is stored"),
        ([_image_row(labels=3)], "labels is 3, no class"),
        ([_image_row(other=1)], "labels is None, no class"),
        ([_image_row(labels=0), _image_row(labels=0)], "comes twice"),
        ([_image_row(b"junk", labels=0)], "not a whole image file"),
    ],
)
def test_parquet_of_another_form(rows: list[Any], message: str, hub: HubServer) -> None:
    features = {"labels": {"names": list(beans_module.CLASSES)}}
    hub.files[BEANS] = {BEANS_FILE: parquet(rows, features)}
    with pytest.raises(DatasetError, match=message):
        load_all(Beans())


def test_parquet_with_other_classes(hub: HubServer) -> None:
    described = parquet([_image_row(labels=0)], {"labels": {"names": ["cat", "dog"]}})
    hub.files[BEANS] = {BEANS_FILE: described}
    assert "has the classes cat, dog, not angular_leaf_spot" in refusal(Beans(), DatasetError)


def test_row_groups_of_absurd_size(hub: HubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows_of, "_MAX_GROUP_BYTES", 1000)
    assert "bytes, more than 1000" in refusal(Beans(), DatasetError)


def test_unknown_samples(hub: HubServer) -> None:
    with pytest.raises(DatasetError, match=r"beans has no sample 'x' among the 12"):
        Beans().load("x")


def test_a_data_folder_that_is_none(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MPQ_DATA_DIR", str(root / "absent"))
    assert "absent, which is not a folder" in refusal(Beans(), DatasetError)
    status = Beans().status()
    assert not status.present
    assert "not a folder" in str(status.missing)


def test_two_versions_of_a_corpus(root: Path, data: PaperData) -> None:
    folder = data.write_common_voice(root)
    shutil.copytree(folder.parent, root / "cv-corpus-11.0-2099")
    assert "leave the one that is meant" in refusal(CommonVoice(), DatasetError)


def test_class_folders_that_are_missing_or_empty(root: Path, data: PaperData) -> None:
    folder = data.write_beans(root)
    for path in (folder / "healthy").iterdir():
        path.unlink()
    assert "healthy holds no images" in refusal(Beans(), DatasetError)
    (folder / "healthy").rmdir()
    os.utime(folder, ns=(1, 1))
    assert "has no folder healthy" in refusal(Beans(), DatasetError)


def test_imagenet_without_labels(root: Path, data: PaperData) -> None:
    data.write_imagenet(root)
    devkit = root / "ILSVRC2012_devkit_t12"
    (devkit / "data" / "meta.mat").write_bytes(b"MATLAB 5.0 MAT-file" + bytes(200))
    assert "is not the development kit's table" in refusal(ImageNet(), DatasetError)
    (devkit / "data" / "meta.mat").unlink()
    assert "meta.mat: cannot be read" in refusal(ImageNet(), DatasetError)
    shutil.rmtree(devkit)
    message = refusal(ImageNet(), DatasetError)
    assert "images without labels" in message
    assert "LOC_val_solution.csv" in message


def test_imagenet_ground_truth_that_does_not_fit(root: Path, data: PaperData) -> None:
    data.write_imagenet(root)
    truth = root / "ILSVRC2012_devkit_t12/data/ILSVRC2012_validation_ground_truth.txt"
    lines = truth.read_text().splitlines()
    truth.write_text("\n".join(lines[:5]))
    assert "ILSVRC2012_val_00000006.JPEG has no label" in refusal(ImageNet(), DatasetError)
    truth.write_text("\n".join([*lines[:5], "1001"]))
    assert "line 6 is '1001', not a class 1..1000" in refusal(ImageNet(), DatasetError)


def test_imagenet_with_a_synset_too_few(root: Path, data: PaperData) -> None:
    folder = data.write_imagenet(root, "synsets")
    empty = next(path for path in sorted(folder.iterdir()) if not any(path.iterdir()))
    empty.rmdir()
    assert "shows 999 synsets; all 1000 are needed" in refusal(ImageNet(), DatasetError)


def test_imagenet_with_foreign_files(root: Path, data: PaperData) -> None:
    folder = data.write_imagenet(root, "kaggle")
    (folder / "cat.jpg").write_bytes(b"x")
    assert "cat.jpg is not called like" in refusal(ImageNet(), DatasetError)
    (folder / "cat.jpg").unlink()
    table = root / "ILSVRC" / "LOC_val_solution.csv"
    table.write_text(table.read_text() + "ILSVRC2012_val_00000002,cat\n")
    assert "not an image and its synset" in refusal(ImageNet(), DatasetError)


def test_annotations_that_do_not_fit(root: Path, data: PaperData) -> None:
    folder = data.write_ade20k(root)
    annotation = folder / "annotations" / "validation" / "ADE_val_00000001.png"
    for pixels, message in (
        (np.zeros((10, 20), np.uint8), "annotation is 20 x 10 pixels, the image 64 x 49"),
        (np.full((49, 64), 151, np.uint8), "class 151, more than 150"),
        (np.zeros((49, 64, 3), np.uint8), "mode RGB"),
    ):
        annotation.write_bytes(png(pixels))
        with pytest.raises(DatasetError, match=message):
            Ade20k().load("ADE_val_00000001")
    annotation.write_bytes(data.ade20k["ADE_val_00000001"][1][:-40])
    with pytest.raises(DatasetError, match="not a whole PNG file"):
        Ade20k().load("ADE_val_00000001")
    annotation.unlink()
    os.utime(folder, ns=(1, 1))
    assert "has no annotation" in refusal(Ade20k(), DatasetError)


def test_tables_that_do_not_hold(root: Path, data: PaperData) -> None:
    folder = data.write_common_voice(root)
    table = folder / "dev.tsv"
    good = table.read_text("utf-8").splitlines(keepends=True)
    for number, (text, message) in enumerate(
        (
            (b"path,sentence\na.mp3,hi\n", "lacks the column path, sentence"),
            ("".join([*good[:2], "a\tb\n"]).encode(), "line 3 has 2 columns, not 9"),
            ("".join([good[0], "x\ta.mp3\t \t2\t0\t\t\t\ten\n"]).encode(), "sentence is ' '"),
            ("".join([*good[:2], good[1]]).encode(), "comes twice"),
            (b"path\tsentence\na.mp3\tcaf\xe9\n", "is not UTF-8"),
            (good[0].encode(), "no samples in"),
        )
    ):
        table.write_bytes(text)
        os.utime(folder, ns=(number, number))
        assert message in refusal(CommonVoice(), DatasetError)
    table.unlink()
    assert "dev.tsv is not there" in refusal(CommonVoice(), DatasetError)


def test_clips_that_are_missing_or_damaged(root: Path, data: PaperData) -> None:
    folder = data.write_common_voice(root)
    first = next(iter(data.common_voice))
    (folder / "clips" / f"{first}.mp3").write_bytes(b"not audio")
    with pytest.raises(DatasetError, match=rf"{first}\.mp3.*not a whole MP3 file"):
        CommonVoice().load(first)
    (folder / "clips" / f"{first}.mp3").unlink()
    with pytest.raises(DatasetError, match=rf"{first}\.mp3: cannot be read"):
        CommonVoice().load(first)


def test_tables_end_their_lines_either_way(root: Path, data: PaperData) -> None:
    folder = data.write_common_voice(root)
    before = [CommonVoice().load(name).reference for name in CommonVoice().sample_ids()]
    table = folder / "dev.tsv"
    table.write_bytes(b"\xef\xbb\xbf" + table.read_bytes().replace(b"\n", b"\r\n"))
    os.utime(folder, ns=(1, 1))
    assert [CommonVoice().load(name).reference for name in CommonVoice().sample_ids()] == before


def test_clips_without_a_length_are_read_whole(root: Path, data: PaperData) -> None:
    """Clips that were encoded into a pipe lack the header that states it."""
    folder = data.write_common_voice(root)
    first = next(iter(data.common_voice))
    time = np.arange(32_000 * 2) / 32_000
    pcm = (9000 * np.sin(2 * np.pi * 440 * time)).astype("<i2").tobytes()
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-loglevel", "error", "-f", "s16le"]
    command += ["-ar", "32000", "-ac", "1", "-i", "-", "-f", "mp3", "-q:a", "5", "-"]
    piped = subprocess.run(command, input=pcm, capture_output=True, check=True).stdout
    assert b"Xing" not in piped
    assert b"Info" not in piped
    (folder / "clips" / f"{first}.mp3").write_bytes(piped)
    signal = CommonVoice().load(first).signal
    assert 2.0 <= signal.num_samples / signal.sample_rate < 2.2
    assert np.abs(signal.samples).max() == pytest.approx(9000 / 32768, rel=0.1)


def test_tracks_that_do_not_hold(root: Path, data: PaperData) -> None:
    folder = data.write_musdb(root)
    track = folder / "Band 00 - Song & Dance"
    silence = np.zeros((2, 44_100), np.float32)
    for samples, rate, message in (
        (silence, 48_000, r"drums: 48000 Hz and 2 channels, not 44100 Hz and 2"),
        (silence[:1], 44_100, r"drums: 44100 Hz and 1 channels"),
        (silence[:, 1:], 44_100, r"drums has 44099 samples, the mixture 44100"),
    ):
        (track / "drums.wav").write_bytes(wav(samples, rate))
        with pytest.raises(DatasetError, match=message):
            Musdb().load(track.name)
    (track / "drums.wav").write_bytes(wav(silence, 44_100)[:-100])
    with pytest.raises(DatasetError, match="truncated"):
        Musdb().load(track.name)
    (track / "drums.wav").unlink()
    os.utime(folder, ns=(1, 1))
    assert "lacks drums.wav" in refusal(Musdb(), DatasetError)


def test_a_folder_that_does_not_hold_is_not_made_up_for_by_the_hub(
    hub: HubServer, root: Path
) -> None:
    (root / "beans").mkdir()
    assert "has no folder" in refusal(Beans(), DatasetError)
    assert hub.requests == 0


def test_common_voice_from_a_repository_of_ones_own(hub: HubServer, data: PaperData) -> None:
    dataset = CommonVoice(limit=3, exclude=(), hub=COMMON_VOICE_HUB)
    assert dataset.sample_ids() == tuple(data.common_voice)[:3]
