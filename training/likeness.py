"""What tells whether two pictures are one: their bytes, and a hash of how they look."""

import hashlib
from pathlib import Path

import numpy as np
from PIL import Image

__all__ = ["difference_hash", "distance", "listed", "write_list"]

LIST = Path(__file__).resolve().parent / "splits" / "photographs.txt"


def difference_hash(path: Path) -> int:
    """64 bits: whether each pixel of 8 x 9 is brighter than the one to its left."""
    with Image.open(path) as image:
        small = image.convert("L").resize((9, 8), Image.Resampling.LANCZOS)
    pixels = np.asarray(small, dtype=np.int16)
    bits = (pixels[:, 1:] > pixels[:, :-1]).ravel()
    return int.from_bytes(np.packbits(bits).tobytes(), "big")


def distance(first: int, second: int) -> int:
    """In how many of the 64 bits two pictures differ; copies of one differ in few."""
    return (first ^ second).bit_count()


def listed() -> list[tuple[str, int, str]]:
    """SHA-256, look and name of each photograph that codecs are trained on."""
    lines = LIST.read_text(encoding="utf-8").splitlines()
    return [
        (digest, int(look, 16), name)
        for digest, look, name in (line.split(" ", 2) for line in lines)
    ]


def write_list(files: list[Path]) -> None:
    """Write the list anew."""
    lines = [
        f"{hashlib.sha256(path.read_bytes()).hexdigest()} {difference_hash(path):016x} {path.name}"
        for path in files
    ]
    LIST.write_text("\n".join(lines) + "\n", encoding="utf-8")
