"""Figures as files: always the same bytes for the same data, and no half-written file."""

import contextlib
import io
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mpq_checks.atomic import write_bytes_atomically
from mpq_checks.errors import ResultsError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["FORMATS", "check_formats", "house_style", "save"]

FORMATS = ("svg", "png", "pdf")

_STYLE: dict[str, Any] = {
    "font.size": 7,
    "axes.titlesize": 7,
    "axes.labelsize": 7,
    "xtick.labelsize": 6.5,
    "ytick.labelsize": 6.5,
    "legend.fontsize": 6.5,
    "axes.linewidth": 0.6,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "savefig.dpi": 300,
    # Letters are drawn as paths: an SVG looks the same where the font is not installed.
    "svg.fonttype": "path",
    "svg.hashsalt": "mpq",
    # Names come from files: a dollar sign in one is a dollar sign.
    "text.parse_math": False,
    "text.usetex": False,
}

# What would make two files of the same figure differ.
_METADATA: dict[str, dict[str, Any]] = {
    "svg": {"Date": None},
    "pdf": {"CreationDate": None},
    "png": {},
}


@contextlib.contextmanager
def house_style() -> Iterator[None]:
    """Draw inside: matplotlib's own defaults but for these, whatever the user's settings are."""
    from matplotlib import style

    with style.context(["default", _STYLE]):
        yield


def check_formats(formats: Sequence[str]) -> None:
    """Raises ResultsError for one that is not written here, or for none."""
    unknown = sorted(set(formats) - set(FORMATS))
    if unknown or not formats:
        found = repr(unknown[0]) if unknown else "none"
        raise ResultsError(f"format of figures is {found}; choose of {', '.join(FORMATS)}")


def save(figure: "Figure", folder: Path, name: str, formats: Sequence[str]) -> list[Path]:
    """Write `name.format` into the folder for each format, and return the paths.

    Raises:
        ResultsError: a file that cannot be written.
    """
    paths = []
    for kind in formats:
        content = io.BytesIO()
        with warnings.catch_warnings():
            # A letter that the font lacks shows as a box.
            warnings.filterwarnings("ignore", "Glyph .* missing from font")
            figure.savefig(content, format=kind, metadata=_METADATA[kind])
        path = folder / f"{name}.{kind}"
        try:
            write_bytes_atomically(path, content.getvalue())
        except OSError as error:
            raise ResultsError(f"{path} cannot be written: {error}") from error
        paths.append(path)
    return paths
