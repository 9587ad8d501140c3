"""One colour and one symbol for each family of codecs, the same in every figure.

A family is what a codec's identity says under `codec`: `jpeg`, `mbt2018`. The colours stay apart
for people with a colour vision deficiency, on a light and on a dark ground; the symbols are
distinct without colour. Six of the colours are those of Okabe and Ito (2008).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from itertools import product

__all__ = ["FAMILIES", "Style", "styles"]


@dataclass(frozen=True)
class Style:
    """How the marks of a family look.

    Attributes:
        colour: `#rrggbb`.
        symbol: circle, square, diamond, triangle-up, ...: the names that plotly uses.
    """

    colour: str
    symbol: str


FAMILIES: Mapping[str, Style] = {
    "none": Style("#7F7F7F", "cross"),
    "jpeg": Style("#D55E00", "circle"),
    "webp": Style("#E69F00", "square"),
    "mbt2018": Style("#0072B2", "diamond"),
    "hific": Style("#009E73", "triangle-up"),
    "msillm": Style("#56B4E9", "pentagon"),
    "mp3": Style("#CC79A7", "triangle-down"),
    "opus": Style("#A0522D", "x"),
    "encodec": Style("#785EF0", "star"),
}

_OTHERS = tuple(
    Style(colour, symbol)
    for colour, symbol in product(
        ("#5B8C00", "#B5179E", "#4C6A92", "#9A7B00"),
        ("triangle-left", "triangle-right", "hexagon", "octagon", "diamond-tall"),
    )
)


def styles(families: Iterable[str]) -> dict[str, Style]:
    """The style of each family, by its name.

    A family that is not in `FAMILIES` gets the style that its name hashes to, so that it looks the
    same in the next report; where two hash to one style, the later by name takes the next free one.
    Of more than 20 such families some share a style.
    """
    wanted = set(families)
    chosen = {name: FAMILIES[name] for name in FAMILIES if name in wanted}
    free = list(_OTHERS)
    for name in sorted(wanted - set(FAMILIES)):
        place = _place(name)
        following = (*_OTHERS[place:], *_OTHERS[:place])
        style = next((style for style in following if style in free), _OTHERS[place])
        if style in free:
            free.remove(style)
        chosen[name] = style
    return chosen


def _place(name: str) -> int:
    digest = sha256(name.encode(errors="backslashreplace")).digest()
    return int.from_bytes(digest[:8], "big") % len(_OTHERS)
