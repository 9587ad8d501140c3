"""Points as marks: the colour and symbol of their codec, and their intervals."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mpq_checks.analysis import Point
from mpq_checks.report.palette import Style, styles

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.lines import Line2D

__all__ = ["UNCOMPRESSED_COLOUR", "Marks", "marks_of"]

UNCOMPRESSED_COLOUR = "#4D4D4D"

_SYMBOLS = {
    "cross": "P",
    "circle": "o",
    "square": "s",
    "diamond": "D",
    "triangle-up": "^",
    "pentagon": "p",
    "triangle-down": "v",
    "x": "X",
    "star": "*",
    "triangle-left": "<",
    "triangle-right": ">",
    "hexagon": "h",
    "octagon": "8",
    "diamond-tall": "d",
}
_SIZES = {"star": 7.0, "diamond": 4.2, "diamond-tall": 5.6, "x": 5.6, "cross": 5.6}
_SIZE = 5.0
_EDGE = "#1A1A1A"


@dataclass(frozen=True)
class Marks:
    """The styles of the families that a figure shows."""

    of_families: dict[str, Style]

    def draw(self, axes: "Axes", point: Point, x: str, y: str) -> None:
        """One point at two of its attributes, with the intervals that are known of them."""
        style = self.of_families[point.family]
        at, height = getattr(point, x), getattr(point, y)
        axes.errorbar(
            at,
            height,
            xerr=_reach(point, x),
            yerr=_reach(point, y),
            fmt="none",
            ecolor=style.colour,
            elinewidth=0.7,
        )
        self.draw_at(axes, point.family, at, height)

    def draw_at(self, axes: "Axes", family: str, x: float, y: float) -> None:
        """A mark alone."""
        axes.add_line(self.mark(family, x, y))

    def mark(self, family: str, x: float = 0.0, y: float = 0.0) -> "Line2D":
        """A mark, also for a legend."""
        from matplotlib.lines import Line2D

        style = self.of_families[family]
        return Line2D(
            [x],
            [y],
            linestyle="none",
            marker=_SYMBOLS[style.symbol],
            markersize=_SIZES.get(style.symbol, _SIZE),
            markerfacecolor=style.colour,
            markeredgecolor=_EDGE,
            markeredgewidth=0.5,
            zorder=3,
        )


def marks_of(points: Iterable[Point]) -> Marks:
    """For the families of these points, in the order of the palette."""
    return Marks(styles(point.family for point in points))


def _reach(point: Point, name: str) -> list[list[float]] | None:
    """How far the interval of an attribute reaches down and up from it."""
    if name not in point.intervals:
        return None
    value, (low, high) = getattr(point, name), point.intervals[name]
    return [[max(value - low, 0.0)], [max(high - value, 0.0)]]
