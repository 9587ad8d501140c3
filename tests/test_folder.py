"""Datasets from a user's own folder."""

import pickle
from pathlib import Path

import numpy as np
import pytest
import soundfile
from PIL import Image as PilImage

from mpq_checks.datasets.files import read_audio, read_image
from mpq_checks.datasets.folder import ImageFolder, SpeechFolder
from mpq_checks.errors import DatasetError, SignalError

COLOURS = {"cat/b.png": "red", "cat/a.PNG": "green", "dog/deep/c.png": "blue", "ant/x.png": "white"}
CLIPS = {"b.wav": "hello there", "a/a.wav": "good, bye", "c.flac": "naïve"}


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    for name, colour in COLOURS.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        PilImage.new("RGB", (4, 3), colour).save(tmp_path / name, "PNG")
    (tmp_path / "cat" / "notes.txt").write_text("left out")
    (tmp_path / "cat" / "._a.png").write_text("left out")
    (tmp_path / ".git").mkdir()
    (tmp_path / "README.png").write_text("left out")
    return tmp_path


@pytest.fixture
def clips(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    lines = ["file,transcript,cluster\n"]
    for name, text in CLIPS.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(tmp_path / name, rng.uniform(-0.5, 0.5, 800), 16_000)
        lines.append(f'{name},"{text}",{"ann" if name != "b.wav" else ""}\n')
    (tmp_path / "transcripts.csv").write_text("".join(lines), encoding="utf-8")
    return tmp_path


def rewrite(folder: Path, text: str) -> None:
    (folder / "transcripts.csv").write_text(text, encoding="utf-8")


def test_subfolders_are_classes(photos: Path) -> None:
    dataset = ImageFolder(photos, name="pets")
    assert dataset.name == "pets"
    assert dataset.modality == "image"
    assert dataset.assets() == ()
    assert dataset.class_names() == ("ant", "cat", "dog")
    assert dataset.sample_ids() == ("ant/x.png", "cat/a.PNG", "cat/b.png", "dog/deep/c.png")
    labels = [dataset.load(sample_id).reference for sample_id in dataset.sample_ids()]
    assert labels == [0, 1, 1, 2]
    sample = dataset.load("dog/deep/c.png")
    assert sample.sample_id == "dog/deep/c.png"
    assert sample.cluster is None
    assert np.array_equal(sample.signal.pixels, read_image(photos / "dog/deep/c.png").pixels)
    assert ImageFolder(str(photos)).name == photos.name
    assert pickle.loads(pickle.dumps(dataset)) == dataset  # noqa: S301


def test_the_order_of_classes_can_be_given(photos: Path) -> None:
    dataset = ImageFolder(photos, classes=("dog", "cat", "ant"))
    assert dataset.load("dog/deep/c.png").reference == 0
    assert dataset.load("ant/x.png").reference == 2
    for wrong in (("dog", "cat"), ("dog", "cat", "ant", "bee"), ("dog", "cat", "ant", "ant")):
        with pytest.raises(DatasetError, match="ant, cat, dog"):
            ImageFolder(photos, classes=wrong).sample_ids()


def test_the_content_hash_follows_bytes_and_label(photos: Path) -> None:
    dataset = ImageFolder(photos)
    first = dataset.load("cat/b.png").content_sha256
    assert first == ImageFolder(photos, name="other").load("cat/b.png").content_sha256
    assert first != dataset.load("cat/a.PNG").content_sha256
    other_labels = ImageFolder(photos, classes=("cat", "ant", "dog"))
    assert first != other_labels.load("cat/b.png").content_sha256
    PilImage.new("RGB", (4, 3), "black").save(photos / "cat" / "b.png")
    assert first != dataset.load("cat/b.png").content_sha256


@pytest.mark.parametrize(
    "sample_id",
    ["cat/zzz.png", "../cat/b.png", "cat/../cat/b.png", "/etc/passwd", "cat//b.png", "README.png"],
)
def test_unknown_images_are_refused(photos: Path, sample_id: str) -> None:
    with pytest.raises(DatasetError):
        ImageFolder(photos).load(sample_id)


def test_broken_images_are_named(photos: Path) -> None:
    (photos / "cat" / "b.png").write_bytes(b"broken")
    with pytest.raises(SignalError, match=r"cat/b\.png"):
        ImageFolder(photos).load("cat/b.png")


def test_folders_without_classes_or_images_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"absent.*cannot be read"):
        ImageFolder(tmp_path / "absent").sample_ids()
    with pytest.raises(DatasetError, match="no subfolders"):
        ImageFolder(tmp_path).sample_ids()
    (tmp_path / "cat").mkdir()
    with pytest.raises(DatasetError, match=r"cat holds no images"):
        ImageFolder(tmp_path).sample_ids()


def test_speech_with_its_transcripts(clips: Path) -> None:
    dataset = SpeechFolder(clips)
    assert dataset.name == clips.name
    assert dataset.modality == "audio"
    assert dataset.assets() == ()
    assert dataset.sample_ids() == ("a/a.wav", "b.wav", "c.flac")
    samples = {name: dataset.load(name) for name in dataset.sample_ids()}
    assert {name: sample.reference for name, sample in samples.items()} == CLIPS
    assert samples["a/a.wav"].cluster == "ann"
    assert samples["b.wav"].cluster is None
    assert np.array_equal(samples["b.wav"].signal.samples, read_audio(clips / "b.wav").samples)
    assert len({sample.content_sha256 for sample in samples.values()}) == 3


def test_metadata_csv_serves_too_and_its_marks_are_read_past(clips: Path) -> None:
    (clips / "transcripts.csv").unlink()
    (clips / "metadata.csv").write_text("transcript,file\nhi,b.wav\n", encoding="utf-8-sig")
    dataset = SpeechFolder(clips, name="mine")
    assert dataset.sample_ids() == ("b.wav",)
    assert dataset.load("b.wav").reference == "hi"


def test_the_content_hash_follows_bytes_and_transcript(clips: Path) -> None:
    dataset = SpeechFolder(clips)
    before = dataset.load("b.wav").content_sha256
    rewrite(clips, "file,transcript\nb.wav,hello their\n")
    assert dataset.load("b.wav").content_sha256 != before
    assert dataset.sample_ids() == ("b.wav",)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "columns none; it lacks file, transcript"),
        ("name|text\nb.wav|hi\n", r"lacks file, transcript"),
        ("file,text\nb.wav,hi\n", r"columns file, text; it lacks transcript"),
        ("file,transcript\n", "lists no files"),
        ("file,transcript\nb.wav,  \n", "line 2"),
        ("file,transcript\nb.wav\n", "line 2"),
        ("file,transcript\nb.wav,hi\nb.wav,ho\n", "line 3: file b.wav comes twice"),
        ("file,transcript\nb.txt,hi\n", r"line 2: file b\.txt ends in none of"),
        ("file,transcript\nzzz.wav,hi\n", r"zzz\.wav is not a file"),
        ("file,transcript\n../x.wav,hi\n", "not a plain path"),
        ("file,transcript\n/x.wav,hi\n", "not a plain path"),
        ('file,transcript\nb.wav,"hi\n', "not a readable UTF-8 CSV"),
    ],
)
def test_tables_that_do_not_hold_are_refused(clips: Path, text: str, message: str) -> None:
    rewrite(clips, text)
    with pytest.raises(DatasetError, match=message):
        SpeechFolder(clips).sample_ids()


def test_other_encodings_and_absent_tables_are_refused(clips: Path) -> None:
    (clips / "transcripts.csv").write_bytes("file,transcript\nb.wav,naïve\n".encode("latin-1"))
    with pytest.raises(DatasetError, match="UTF-8"):
        SpeechFolder(clips).sample_ids()
    (clips / "transcripts.csv").unlink()
    with pytest.raises(DatasetError, match=r"no transcripts\.csv or metadata\.csv"):
        SpeechFolder(clips).sample_ids()


def test_unknown_and_broken_clips_are_refused(clips: Path) -> None:
    with pytest.raises(DatasetError, match=r"no sample 'zzz\.wav'"):
        SpeechFolder(clips).load("zzz.wav")
    (clips / "b.wav").write_bytes(b"broken")
    with pytest.raises(SignalError, match=r"b\.wav"):
        SpeechFolder(clips).load("b.wav")
