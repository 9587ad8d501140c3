"""Measure the shipped models on everything held out; prints the tables of docs/reference/models.md.

python training/evaluate.py [--model vit-solar] [--threads 2]
"""

import argparse
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from samples import Labelled, chest_xrays, lungs, read_list, solar_cells
from scipy.special import log_softmax
from scipy.stats import rankdata
from views import read_grey

from mpq_checks.codecs.base import Codec
from mpq_checks.codecs.jpeg import Jpeg
from mpq_checks.codecs.none import NoCodec
from mpq_checks.codecs.webp import WebP
from mpq_checks.models.huggingface import HuggingFaceImageClassifier, HuggingFaceSegmenter
from mpq_checks.signals import Image

CODECS: tuple[Codec, ...] = (
    NoCodec("image"),
    Jpeg(quality=50),
    Jpeg(quality=20),
    Jpeg(quality=5),
    WebP(quality=0),
)

FloatRows = npt.NDArray[np.float32]


def coded(codec: Codec, path: Path) -> Image:
    """The image after one trip through a codec."""
    pixels = np.asarray(read_grey(path).convert("RGB"))
    return codec.decode(codec.encode(Image(pixels)))


def classification(
    name: str, everything: Labelled, pinned: set[str], identify: Callable[[Path], str]
) -> Iterable[str]:
    """Rows: codec, then accuracy, AUC and NLL of all and of the pinned samples."""
    model = HuggingFaceImageClassifier.shipped(name).load("cpu")
    labels = np.array([label for _, label in everything])
    chosen = np.array([identify(path) in pinned for path, _ in everything])
    yield f"{name}: {len(labels)} held out ({labels.sum()} of class 1), {chosen.sum()} pinned"
    for codec in CODECS:
        logits = model.logits([coded(codec, path) for path, _ in everything])
        cells = [*scores(logits, labels), *scores(logits[chosen], labels[chosen])]
        yield f"| {codec.name} | " + " | ".join(cells) + " |"


def scores(logits: FloatRows, labels: npt.NDArray[np.int64]) -> tuple[str, str, str]:
    """Accuracy, area under the ROC curve, negative log-likelihood in nats."""
    log_probabilities = log_softmax(logits.astype(float), axis=1)
    accuracy = float((logits.argmax(1) == labels).mean())
    nll = float(-log_probabilities[np.arange(len(labels)), labels].mean())
    ranks = rankdata(logits[:, 1] - logits[:, 0])
    positives = int(labels.sum())
    above = float(ranks[labels == 1].sum()) - positives * (positives + 1) / 2
    auc = above / (positives * (len(labels) - positives))
    return f"{accuracy:.3f}", f"{auc:.3f}", f"{nll:.3f}"


def segmentation(name: str) -> Iterable[str]:
    """Rows: codec, then lung IoU and mean IoU of all and of the pinned films."""
    model = HuggingFaceSegmenter.shipped(name).load("cpu")
    pairs = lungs("lungs-test")
    pinned = set(read_list("lungs-mini"))
    chosen = np.array([film.stem in pinned for film, _ in pairs])
    truths = [np.asarray(read_grey(mask)) > 127 for _, mask in pairs]
    yield f"{name}: {len(pairs)} held out, {chosen.sum()} pinned"
    for codec in CODECS:
        found = [model.segment(coded(codec, film)) == 1 for film, _ in pairs]
        counts = np.array([overlaps(f, t) for f, t in zip(found, truths, strict=True)])
        cells = [*ious(counts), *ious(counts[chosen])]
        yield f"| {codec.name} | " + " | ".join(cells) + " |"


def overlaps(found: npt.NDArray[np.bool_], truth: npt.NDArray[np.bool_]) -> tuple[int, ...]:
    """Intersection and union of the lungs, then of the background."""
    return (
        int((found & truth).sum()),
        int((found | truth).sum()),
        int((~found & ~truth).sum()),
        int((~found | ~truth).sum()),
    )


def ious(counts: npt.NDArray[np.int64]) -> tuple[str, str]:
    """Lung IoU and mean IoU of both classes, each over all pixels of the set."""
    lung, lung_union, background, background_union = counts.sum(0)
    lung_iou, background_iou = lung / lung_union, background / background_union
    return f"{lung_iou:.3f}", f"{(lung_iou + background_iou) / 2:.3f}"


def rows(name: str) -> Iterable[str]:
    """The table of one model."""
    if name == "vit-chest-xray":
        everything = chest_xrays("chest-xray-test")
        pinned = set(read_list("chest-xray-mini"))
        return classification(name, everything, pinned, lambda p: f"{p.parent.name}/{p.stem}")
    if name == "vit-solar":
        pinned = set(read_list("solar-mini"))
        return classification(name, solar_cells("solar-test"), pinned, lambda p: p.stem)
    return segmentation(name)


def main(arguments: Sequence[str] | None = None) -> None:
    """Print one table a model."""
    import torch

    names = ("vit-chest-xray", "vit-solar", "segformer-lungs")
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", choices=names, action="append")
    parser.add_argument("--threads", type=int, default=2, help="torch threads (default 2)")
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    for name in options.model or names:
        for row in rows(name):
            print(row, flush=True)


if __name__ == "__main__":
    main()
