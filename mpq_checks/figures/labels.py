"""What axes and legends say."""

from collections.abc import Sequence

from mpq_checks.analysis import Point

__all__ = ["closeness_label", "family_label", "rate_label", "score_label", "short"]

_SCORES = {
    "top1": "top-1 accuracy",
    "mean_iou": "mean IoU",
    "wra": "WRA",
    "sdr_db": "SDR (dB)",
}
_FAMILIES = {
    "jpeg": "JPEG",
    "webp": "WebP",
    "mbt2018": "MBT2018",
    "hific": "HiFiC",
    "msillm": "MS-ILLM",
    "mp3": "MP3",
    "opus": "Opus",
    "encodec": "EnCodec",
}
_LONGEST = 28


def short(text: str) -> str:
    """One line of at most 28 characters, without control characters."""
    flat = "".join(
        letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text
    )
    return flat if len(flat) <= _LONGEST else flat[: _LONGEST - 1] + "\N{HORIZONTAL ELLIPSIS}"


def rate_label(point: Point) -> str:
    """With the unit of the modality."""
    return "rate (bit/px)" if point.modality == "image" else "rate (bit/sample)"


def score_label(point: Point) -> str:
    """The field's name of a known score; else its name and unit."""
    named = point.score if point.unit in ("", "fraction") else f"{point.score} ({point.unit})"
    return _SCORES.get(point.score, short(named))


def closeness_label(points: Sequence[Point]) -> str:
    """Of the distances of these points."""
    names = " or ".join(dict.fromkeys(short(point.perceptual).upper() for point in points))
    return f"\N{MINUS SIGN}10 log\N{SUBSCRIPT ONE}\N{SUBSCRIPT ZERO} {names} (dB)"


def family_label(family: str, points: Sequence[Point]) -> str:
    """The codec's name where all points have one; else the family's, with its settings' number."""
    codecs = list(dict.fromkeys(point.codec for point in points if point.family == family))
    if len(codecs) == 1:
        return short(codecs[0])
    return f"{_FAMILIES.get(family, short(family))} ({len(codecs)} settings)"
