"""A dozen tiny samples of each dataset of the paper: the publisher's layout, and the hub's parquet.

`PaperData().write(root)` fills a folder for MPQ_DATA_DIR; `PaperData().repositories()` gives what a
`HubServer` serves. Both hold the same bytes under the same names. Real encodings, made-up content.
"""

import io
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mpq_checks.codecs.ffmpeg import encode_pcm
from mpq_checks.datasets.hub import CONVERTED, HubSplit
from mpq_checks.datasets.paper import ade20k, beans, chest_xray, imagenet, musdb

SYNSETS = tuple(f"n{1_440_764 + 13 * number:08d}" for number in range(1000))
"""As many as ImageNet has, sorted; but for the first they are made up."""

COMMON_VOICE_HUB = HubSplit("somebody/common_voice_11_0", ("en/validation/*.parquet",), CONVERTED)
"""Common Voice has no repository of its own any more."""

SENTENCES = (
    "The cat sat on the mat.",
    'She said "come in" and left.',
    "Don't you know?",
    "A naïve café owner",
    "Twenty-two ducks",
    "It rains.",
)


def jpeg(pixels: npt.NDArray[np.uint8], quality: int = 92) -> bytes:
    return _encoded(pixels, "JPEG", quality=quality)


def png(pixels: npt.NDArray[np.uint8]) -> bytes:
    return _encoded(pixels, "PNG")


def _encoded(pixels: npt.NDArray[np.uint8], form: str, **options: Any) -> bytes:
    from PIL import Image as PilImage

    out = io.BytesIO()
    PilImage.fromarray(pixels).save(out, form, **options)
    return out.getvalue()


def wav(samples: npt.NDArray[np.float32], sample_rate: int) -> bytes:
    import soundfile

    out = io.BytesIO()
    soundfile.write(out, samples.T, sample_rate, format="WAV", subtype="PCM_16")
    return out.getvalue()


def mp3(samples: npt.NDArray[np.float32], sample_rate: int) -> bytes:
    return encode_pcm(samples, sample_rate, codec="libmp3lame", container="mp3", bitrate_kbps=64)


def picture(rng: np.random.Generator, height: int, width: int, grey: bool = False) -> Any:
    """A few coloured waves: uint8, height x width (x 3)."""
    y, x = np.mgrid[0:height, 0:width] / 8.0
    planes = [
        np.sin(x * rng.uniform(0.2, 1.5) + y * rng.uniform(0.2, 1.5) + rng.uniform(0, 6))
        for _ in range(1 if grey else 3)
    ]
    values = np.rint(127.5 + 110 * np.stack(planes, axis=-1)).astype(np.uint8)
    return values[..., 0] if grey else values


@dataclass(frozen=True)
class PaperData:
    """What the tiny datasets hold; equal settings give equal bytes.

    `clips` replaces the made-up clips of Common Voice: samples, sample rate and sentence of each.
    """

    num_images: int = 12
    num_tracks: int = 12
    track_seconds: float = 1.0
    clips: tuple[tuple[npt.NDArray[np.float32], int, str], ...] = field(default=(), compare=False)

    @cached_property
    def imagenet(self) -> dict[str, tuple[bytes, int]]:
        """File and label by id."""
        rng = np.random.default_rng(1)
        labels = rng.choice(1000, self.num_images, replace=False)
        return {
            f"ILSVRC2012_val_{number:08d}": (
                jpeg(picture(rng, 60 + number, 80, grey=number == 3)),
                int(label),
            )
            for number, label in enumerate(labels, start=1)
        }

    @cached_property
    def beans(self) -> dict[str, tuple[bytes, int]]:
        """File and label by name without suffix."""
        rng = np.random.default_rng(2)
        return {
            f"{beans.CLASSES[number % 3]}_val.{number // 3}": (
                jpeg(picture(rng, 50, 50)),
                number % 3,
            )
            for number in range(self.num_images)
        }

    @cached_property
    def chest_xray(self) -> dict[str, tuple[bytes, int]]:
        """File and label by name without suffix."""
        rng = np.random.default_rng(3)
        films = {}
        for number in range(self.num_images):
            label = number % 2
            original = f"person{number}_virus_{number}" if label else f"IM-{number:04d}-0001"
            name = f"{original}_jpeg.rf.{rng.bytes(8).hex()}"
            films[name] = (jpeg(picture(rng, 64, 64, grey=True)), label)
        return films

    @cached_property
    def ade20k(self) -> dict[str, tuple[bytes, bytes]]:
        """Image and annotation by id."""
        rng = np.random.default_rng(4)
        scenes = {}
        for number in range(1, self.num_images + 1):
            height, width = 48 + number, 64
            cells = rng.integers(0, 151, (4, 4)).astype(np.uint8)
            cells[0, 0], cells[0, 1], cells[0, 2] = 0, 1, 150
            mask = cells[np.arange(height)[:, None] * 4 // height, np.arange(width) * 4 // width]
            scenes[f"ADE_val_{number:08d}"] = (jpeg(picture(rng, height, width)), png(mask))
        return scenes

    @cached_property
    def common_voice(self) -> dict[str, tuple[bytes, str, str]]:
        """Clip, sentence and speaker by id, in the order of the table."""
        rng = np.random.default_rng(5)
        clips = self.clips or tuple(
            (_noise(rng, 1, 0.6, rate), rate, SENTENCES[number % len(SENTENCES)])
            for number, rate in enumerate([48_000, 32_000] * (self.num_images // 2))
        )
        names = rng.permutation(10_000)
        return {
            f"common_voice_en_{names[number]:05d}": (
                mp3(samples, rate),
                sentence,
                bytes([number // 2] * 32).hex(),
            )
            for number, (samples, rate, sentence) in enumerate(clips)
        }

    @cached_property
    def musdb(self) -> dict[str, dict[str, bytes]]:
        """Files by track, then part."""
        rng = np.random.default_rng(6)
        tracks = {}
        for number in range(self.num_tracks):
            stems = {
                part: _noise(rng, 2, self.track_seconds, musdb.SAMPLE_RATE) / 4
                for part in musdb.STEMS
            }
            total = np.sum(list(stems.values()), axis=0, dtype=np.float32)
            files = {part: wav(stem, musdb.SAMPLE_RATE) for part, stem in stems.items()}
            files["mixture"] = wav(total, musdb.SAMPLE_RATE)
            tracks[f"Band {number:02d} - Song & Dance"] = files
        return tracks

    def write(self, root: Path) -> Path:
        """All six, each in its publisher's layout below `root`."""
        self.write_imagenet(root)
        self.write_beans(root)
        self.write_chest_xray(root)
        self.write_ade20k(root)
        self.write_common_voice(root)
        self.write_musdb(root)
        return root

    def write_imagenet(self, root: Path, layout: str = "devkit") -> Path:
        """`devkit`, `kaggle`: all images in one folder, labels beside it; `synsets`: folders."""
        flat = {"devkit": "ILSVRC2012_img_val", "kaggle": "ILSVRC/Data/CLS-LOC/val"}
        folder = root / flat.get(layout, "imagenet/val")
        for name, (data, label) in self.imagenet.items():
            place = folder if layout in flat else folder / SYNSETS[label]
            _put(place / f"{name}.JPEG", data)
        if layout == "devkit":
            self._write_devkit(root / "ILSVRC2012_devkit_t12")
        elif layout == "kaggle":
            self._write_solution(root / "ILSVRC" / "LOC_val_solution.csv")
        else:
            for synset in SYNSETS:
                (folder / synset).mkdir(exist_ok=True)
        return folder

    def _write_devkit(self, devkit: Path) -> None:
        from scipy.io import savemat

        numbers = np.random.default_rng(7).permutation(1000) + 1  # ILSVRC2012_ID by label
        kind = [("ILSVRC2012_ID", "O"), ("WNID", "O"), ("words", "O"), ("gloss", "O")]
        table = np.zeros((1003, 1), dtype=[*kind, ("num_children", "O"), ("children", "O")])
        by_number = np.argsort(numbers)
        for row in range(1003):
            label = int(by_number[row]) if row < 1000 else None
            synset = f"n{90_000_000 + row}" if label is None else SYNSETS[label]
            children = np.arange(2 if label is None else 0, dtype=np.uint16)
            table[row, 0] = (row + 1, synset, f"word {row}", "gloss", len(children), children)
        (devkit / "data").mkdir(parents=True)
        savemat(devkit / "data" / "meta.mat", {"synsets": table})
        truth = "".join(f"{numbers[label]}\n" for _, label in self.imagenet.values())
        _put(devkit / "data" / "ILSVRC2012_validation_ground_truth.txt", truth.encode())

    def _write_solution(self, path: Path) -> None:
        shown = [label for _, label in self.imagenet.values()]
        unshown = sorted(set(range(1000)) - set(shown))
        lines = [
            f"{name},{SYNSETS[label]} 1 2 30 40 {SYNSETS[label]} 5 6 70 80 \n"
            for name, (_, label) in self.imagenet.items()
        ]
        lines += [
            f"ILSVRC2012_val_{40_000 + number:08d},{SYNSETS[label]} 1 2 3 4 \n"
            for number, label in enumerate(unshown)
        ]
        _put(path, ("ImageId,PredictionString\n" + "".join(reversed(lines))).encode())

    def write_beans(self, root: Path) -> Path:
        folder = root / "beans" / "validation"
        for name, (data, label) in self.beans.items():
            _put(folder / beans.CLASSES[label] / f"{name}.jpg", data)
        return folder

    def write_chest_xray(self, root: Path) -> Path:
        folder = root / "chest-xray-classification" / "valid"
        for name, (data, label) in self.chest_xray.items():
            _put(folder / chest_xray.CLASSES[label] / f"{name}.jpg", data)
        return folder

    def write_ade20k(self, root: Path) -> Path:
        folder = root / "ADEChallengeData2016"
        for name, (image, annotation) in self.ade20k.items():
            _put(folder / "images" / "validation" / f"{name}.jpg", image)
            _put(folder / "annotations" / "validation" / f"{name}.png", annotation)
        return folder

    def write_common_voice(self, root: Path) -> Path:
        folder = root / "cv-corpus-11.0-2022-09-21" / "en"
        lines = ["client_id\tpath\tsentence\tup_votes\tdown_votes\tage\tgender\taccents\tlocale\n"]
        for name, (data, sentence, speaker) in self.common_voice.items():
            _put(folder / "clips" / f"{name}.mp3", data)
            lines.append(f"{speaker}\t{name}.mp3\t{sentence}\t2\t0\t\t\t\ten\n")
        _put(folder / "dev.tsv", "".join(lines).encode())
        return folder

    def write_musdb(self, root: Path) -> Path:
        folder = root / "MUSDB18-HQ" / "test"
        for track, files in self.musdb.items():
            for part, data in files.items():
                _put(folder / track / f"{part}.wav", data)
        return folder

    def repositories(self) -> dict[str, dict[str, bytes]]:
        """Files by repository, as `HubServer.files` takes them."""
        return {
            imagenet.HUB.repo: self._imagenet_files(),
            beans.HUB.repo: {
                "data/train-00000-of-00001.parquet": b"not asked for",
                "data/validation-00000-of-00001.parquet": self._class_file(
                    self.beans, beans.CLASSES
                ),
            },
            chest_xray.HUB.repo: {
                "full/validation/0000.parquet": self._class_file(
                    self.chest_xray, chest_xray.CLASSES[::-1]
                ),
            },
            ade20k.HUB.repo: {"scene_parsing/validation/0000.parquet": self._ade20k_file()},
            COMMON_VOICE_HUB.repo: {"en/validation/0000.parquet": self._common_voice_file()},
            musdb.HUB.repo: {"data/test-00000-of-00001.parquet": self._musdb_file()},
        }

    def _imagenet_files(self) -> dict[str, bytes]:
        rows = [
            {"image": _stored(data, f"{name}_{SYNSETS[label]}.JPEG"), "label": label}
            for name, (data, label) in self.imagenet.items()
        ]
        first = (len(rows) + 1) // 2
        files = {
            f"data/validation-{number:05d}-of-00002.parquet": parquet(
                part, {"image": {"_type": "Image"}, "label": {"_type": "ClassLabel"}}
            )
            for number, part in enumerate((rows[:first], rows[first:]))
        }
        return {"README.md": b"# ImageNet", **files}

    def _class_file(self, images: dict[str, tuple[bytes, int]], stated: Iterable[str]) -> bytes:
        """The hub may number the classes in another order, as its files state; rows shuffled."""
        names = list(stated)
        classes = beans.CLASSES if len(names) == 3 else chest_xray.CLASSES
        rows = [
            {
                "image_file_path": f"/extracted/valid/{classes[label]}/{name}.jpg",
                "image": _stored(data, f"{name}.jpg"),
                "labels": names.index(classes[label]),
            }
            for name, (data, label) in sorted(images.items(), key=lambda item: item[1][0])
        ]
        return parquet(rows, {"image": {"_type": "Image"}, "labels": {"names": names}})

    def _ade20k_file(self) -> bytes:
        rows = [
            {
                "image": _stored(image, f"{name}.jpg"),
                "annotation": _stored(annotation, f"{name}.png"),
                "scene_category": 0,
            }
            for name, (image, annotation) in reversed(self.ade20k.items())
        ]
        return parquet(rows, {"image": {"_type": "Image"}, "annotation": {"_type": "Image"}})

    def _common_voice_file(self) -> bytes:
        rows = [
            {
                "client_id": speaker,
                "path": f"en_dev_0/{name}.mp3",
                "audio": _stored(data, f"en_dev_0/{name}.mp3"),
                "sentence": sentence,
            }
            for name, (data, sentence, speaker) in self.common_voice.items()
        ]
        return parquet(rows, {"audio": {"_type": "Audio", "sampling_rate": 48_000}})

    def _musdb_file(self) -> bytes:
        rows = [
            {"name": track} | {part: _stored(data, f"{part}.wav") for part, data in files.items()}
            for track, files in reversed(self.musdb.items())
        ]
        return parquet(rows, {"mixture": {"_type": "Audio"}})


def parquet(
    rows: list[dict[str, Any]], features: dict[str, Any], *, row_group_size: int = 5
) -> bytes:
    """As the `datasets` library writes it: its description of the columns in the metadata."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.Table.from_pylist(rows)
    described = json.dumps({"info": {"features": features}})
    out = io.BytesIO()
    pq.write_table(
        table.replace_schema_metadata({"huggingface": described}),
        out,
        row_group_size=row_group_size,
    )
    return out.getvalue()


def _stored(data: bytes, path: str | None) -> dict[str, Any]:
    return {"bytes": data, "path": path}


def _noise(
    rng: np.random.Generator, channels: int, seconds: float, sample_rate: int
) -> npt.NDArray[np.float32]:
    """A tone under noise: float32, channels x samples."""
    time = np.arange(round(seconds * sample_rate)) / sample_rate
    tone = 0.3 * np.sin(2 * np.pi * rng.uniform(100, 900) * time)
    return (tone + rng.normal(0, 0.05, (channels, len(time)))).astype(np.float32)


def _put(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
