"""ImageNet-1k (ILSVRC 2012), validation part.

Ids are the publisher's file names, `ILSVRC2012_val_00000001`, in both places; the hub adds the
synset to the name, which is cut off. A selection counts rows of the hub's files, or file names of a
folder. Nobody has shown that the two orders are equal: the study's first 1,000 are rows of the hub,
so the same images come from a folder only if they are, or if a file `mpq-order.txt` there lists the
ids in the hub's order. The ids say which images were taken.

Labels are 0..999 in the order of the sorted synsets, as in torchvision, transformers and the hub.
The development kit numbers the classes 1..1000 in another order, which its meta.mat explains.
"""

import csv
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any, ClassVar

from mpq_checks.datasets.base import Label, Sample
from mpq_checks.datasets.hub import HubSplit
from mpq_checks.datasets.location import Publication, data_dir
from mpq_checks.datasets.paper.class_folders import load_classified
from mpq_checks.datasets.parquet import HubRows
from mpq_checks.datasets.published import (
    Entry,
    Place,
    PublishedDataset,
    file_bytes,
    files_in,
    hub_bytes,
    hub_id,
)
from mpq_checks.errors import DatasetError
from mpq_checks.signals import Modality

__all__ = ["HUB", "NUM_CLASSES", "PUBLICATION", "STUDY_LIMIT", "ImageNet"]

NUM_CLASSES = 1000
STUDY_LIMIT = 1000
"""The study took the first 1,000 images."""

HUB = HubSplit(
    repo="ILSVRC/imagenet-1k",
    files=("data/validation-*.parquet",),
    revision="49e2ee26f3810fb5a7536bbf732a7b07389a47b5",
)
"""14 files, of which the study's images need the first."""

PUBLICATION = Publication(
    name="imagenet",
    page="https://huggingface.co/datasets/ILSVRC/imagenet-1k",
    licence="ImageNet terms of access: non-commercial research and education",
    terms="an account that has accepted its terms, or one at https://image-net.org/download",
    folders=(
        "ILSVRC2012_img_val",
        "imagenet-1k/val",
        "imagenet/val",
        "ILSVRC/Data/CLS-LOC/val",
    ),
    layout=(
        "ILSVRC2012_img_val.tar unpacked with ILSVRC2012_devkit_t12/ (or LOC_val_solution.csv) "
        "beside it, or a folder for each of the 1,000 synsets"
    ),
    num_samples=50_000,
)

_NAME = re.compile(r"(ILSVRC2012_val_\d{8})(?:_(n\d{8}))?\.jpe?g", re.IGNORECASE)
_SYNSET = re.compile(r"n\d{8}")
_TRUTH = Path("data/ILSVRC2012_validation_ground_truth.txt")
_META = Path("data/meta.mat")
_DEVKIT = "ILSVRC2012_devkit_t12"
_SOLUTION = "LOC_val_solution.csv"


@dataclass(frozen=True)
class ImageNet(PublishedDataset):
    """The first 1,000 of 50,000 photographs, JPEG as published.

    The reference is the class, 0..999.
    """

    limit: int | None = STUDY_LIMIT
    exclude: tuple[int, ...] = ()
    hub: HubSplit | None = HUB

    publication: ClassVar[Publication] = PUBLICATION

    @property
    def modality(self) -> Modality:
        """Images."""
        return "image"

    def load(self, sample_id: str) -> Sample[Label]:
        """Read one photograph. Raises AssetError or DatasetError."""
        return load_classified(sample_id, self._entry(sample_id))

    def _listed(self, place: Place) -> Iterator[tuple[str, Entry[Label]]]:
        return _of_folder(place) if isinstance(place, Path) else _of_hub(place)


def _of_hub(rows: HubRows) -> Iterator[tuple[str, Entry[Label]]]:
    paths, labels = rows.column("image.path"), rows.column("label")
    for position, (path, label) in enumerate(zip(paths, labels, strict=True)):
        where = f"{rows.repo} at {rows.commit}, row {position}"
        if not isinstance(label, int) or not 0 <= label < NUM_CLASSES:
            raise DatasetError(f"{where}: label is {label!r}, not 0..{NUM_CLASSES - 1}")
        match = _NAME.fullmatch(PurePosixPath(path).name) if path else None
        read = hub_bytes(rows, position, ("image",))
        name = match.group(1) if match else None
        yield hub_id(name, position, partial(read, "image")), Entry(where, read, label)


@dataclass(frozen=True)
class _Labels:
    """Synset by id, and all synsets that exist."""

    synset_of: dict[str, str]
    synsets: frozenset[str]


def _of_folder(folder: Path) -> Iterator[tuple[str, Entry[Label]]]:
    paths = _images(folder)
    labels = _labels(folder, paths)
    if len(labels.synsets) != NUM_CLASSES:
        raise DatasetError(
            f"{folder} shows {len(labels.synsets)} synsets; all {NUM_CLASSES} are needed to number "
            f"the classes (leave empty folders for those without images)"
        )
    label_of = {synset: label for label, synset in enumerate(sorted(labels.synsets))}
    for sample_id, path in sorted(paths.items()):
        synset = labels.synset_of.get(sample_id)
        if synset not in label_of:
            raise DatasetError(f"{path} has no label ({synset or 'not in the list'})")
        yield sample_id, Entry(str(path), files_in({"image": path}), label_of[synset])


def _images(folder: Path) -> dict[str, Path]:
    """Path by id, of images in the folder or in its synsets' folders. Raises DatasetError."""
    images: dict[str, Path] = {}
    for parent in _synset_folders(folder) or [folder]:
        for path in sorted(parent.iterdir()):
            if path.suffix.lower() not in (".jpeg", ".jpg") or path.name.startswith("."):
                continue
            match = _NAME.fullmatch(path.name)
            if match is None:
                raise DatasetError(f"{path} is not called like ILSVRC2012_val_00000001.JPEG")
            if match.group(1) in images:
                raise DatasetError(f"{path} is there as {images[match.group(1)]} too")
            images[match.group(1)] = path
    if not images:
        raise DatasetError(f"{folder} holds no images; it takes {PUBLICATION.layout}")
    return images


def _synset_folders(folder: Path) -> list[Path]:
    return sorted(p for p in folder.iterdir() if _SYNSET.fullmatch(p.name) and p.is_dir())


def _labels(folder: Path, paths: dict[str, Path]) -> _Labels:
    """From the folders' names, the files' names, or a list beside them. Raises DatasetError."""
    folders = _synset_folders(folder)
    if folders:
        of_folders = {sample_id: path.parent.name for sample_id, path in paths.items()}
        return _Labels(of_folders, frozenset(path.name for path in folders))
    matches = {sample_id: _NAME.fullmatch(path.name) for sample_id, path in paths.items()}
    of_names = {sample_id: match.group(2) for sample_id, match in matches.items() if match}
    if all(of_names.values()):
        return _Labels(of_names, frozenset(of_names.values()))
    return _listed_labels(folder)


def _listed_labels(folder: Path) -> _Labels:
    """From the list that lies in or beside the folder. Raises DatasetError."""
    root = data_dir() or folder
    for place in (folder, *(p for p in folder.parents if p.is_relative_to(root))):
        if (place / _SOLUTION).is_file():
            return _of_solution(place / _SOLUTION)
        for devkit in (place / _DEVKIT, place):
            if (devkit / _TRUTH).is_file():
                return _of_devkit(devkit)
    raise DatasetError(
        f"{folder} holds images without labels: put {_DEVKIT}/ (with {_TRUTH} and {_META}) or "
        f"{_SOLUTION} into it or beside it"
    )


def _of_solution(path: Path) -> _Labels:
    """Kaggle's table: ImageId, then a synset and a box, perhaps several times."""
    synsets = {}
    lines = file_bytes(path).decode("utf-8", errors="replace").splitlines()
    for number, row in enumerate(csv.reader(lines[1:]), start=2):
        found = _SYNSET.match(row[1]) if len(row) == 2 else None
        if found is None:
            raise DatasetError(f"{path}, line {number} is {row!r}, not an image and its synset")
        synsets[row[0]] = found.group()
    return _Labels(synsets, frozenset(synsets.values()))


def _of_devkit(devkit: Path) -> _Labels:
    """The development kit's list of numbers, one an image, read with its table of synsets."""
    synset_by_number = _numbered_synsets(devkit / _META)
    path = devkit / _TRUTH
    synsets = {}
    for number, line in enumerate(file_bytes(path).decode("ascii", "replace").split(), start=1):
        if not line.isdigit() or int(line) not in synset_by_number:
            raise DatasetError(f"{path}, line {number} is {line!r}, not a class 1..{NUM_CLASSES}")
        synsets[f"ILSVRC2012_val_{number:08d}"] = synset_by_number[int(line)]
    return _Labels(synsets, frozenset(synset_by_number.values()))


def _numbered_synsets(path: Path) -> dict[int, str]:
    """Synset by ILSVRC2012_ID of the 1,000 classes: rows of meta.mat that have no children."""
    from scipy.io import loadmat

    try:
        table: Any = loadmat(
            io.BytesIO(file_bytes(path)), squeeze_me=True, variable_names=["synsets"]
        )["synsets"]
        leaves = table[table["num_children"] == 0]
        synsets = {int(row["ILSVRC2012_ID"]): str(row["WNID"]) for row in leaves}
    except (OSError, KeyError, ValueError, TypeError, IndexError, NotImplementedError) as exc:
        raise DatasetError(
            f"{path} is not the development kit's table: {exc}. The numbers of {_TRUTH} mean "
            f"nothing without it; unpack ILSVRC2012_devkit_t12.tar.gz anew."
        ) from exc
    if len(synsets) != NUM_CLASSES or not all(map(_SYNSET.fullmatch, synsets.values())):
        raise DatasetError(f"{path} has {len(synsets)} classes, not {NUM_CLASSES}")
    return synsets
