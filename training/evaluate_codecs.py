"""Rate, PSNR and LPIPS of image codecs on pictures that none was trained on.

python training/evaluate_codecs.py
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image as PillowImage

from mpq_checks import assets
from mpq_checks.codecs import HiFiC, Jpeg, Mbt2018, WebP
from mpq_checks.codecs.base import Codec
from mpq_checks.metrics.lpips import Lpips
from mpq_checks.metrics.psnr import psnr_db
from mpq_checks.metrics.rate import bits_per_unit
from mpq_checks.signals import Image

CODECS = (
    Jpeg(quality=5),
    Jpeg(quality=10),
    WebP(quality=0),
    WebP(quality=5),
    Mbt2018(weights="compact"),
    HiFiC(weights="compact"),
)


def kodak_crops() -> list[Image]:
    """The 24 crops of the Kodak set; the 25th reference of TID2013 is artificial."""
    folder = assets.asset_path("kodak-crops")
    return [_read(path) for path in sorted(folder.glob("I*.BMP"))]


def row(codec: Codec, images: Sequence[Image]) -> str:
    """A line of a Markdown table: means over the images."""
    metric = Lpips().load("cpu")
    rates, decibels, distances = [], [], []
    for image in images:
        data = codec.encode(image)
        decoded = codec.decode(data)
        rates.append(bits_per_unit(len(data), image))
        decibels.append(psnr_db(image, decoded))
        distances.append(metric.distance(image, decoded))
    means = (np.mean(rates), np.mean(decibels), np.mean(distances))
    return "| {} | {:.3f} | {:.2f} | {:.3f} |".format(codec.name, *means)


def _read(path: Path) -> Image:
    with PillowImage.open(path) as image:
        return Image(np.array(image.convert("RGB")))


def main() -> None:
    """Print the table of docs/reference/models.md."""
    assets.fetch(["kodak-crops"])
    images = kodak_crops()
    print(f"{len(images)} images\n")
    print("| codec | bits per pixel | PSNR (dB) | LPIPS |")
    print("|---|---|---|---|")
    for codec in CODECS:
        print(row(codec, images), flush=True)


if __name__ == "__main__":
    main()
