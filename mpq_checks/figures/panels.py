"""Something against the rate, one panel a task: the paper's figure 2 and its two companions."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mpq_checks.analysis import Point
from mpq_checks.figures.labels import (
    closeness_label,
    family_label,
    rate_label,
    score_label,
    short,
)
from mpq_checks.figures.marks import UNCOMPRESSED_COLOUR, Marks, marks_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

__all__ = [
    "AGAINST_RATE",
    "COLUMN_INCHES",
    "AgainstRate",
    "add_legend",
    "draw_panels",
    "legend_inches",
]

COLUMN_INCHES = 3.5
"""Width of a figure: one column of a paper with two."""

_PANEL_INCHES = 1.55
_COLUMNS = 2
_LEGEND_LINE_INCHES = 0.14
_WIDE_LABEL = 17


@dataclass(frozen=True)
class AgainstRate:
    """One figure: a quantity over the rate.

    Attributes:
        name: of the file.
        quantity: attribute of a point.
        label: of the vertical axis, by the points of the panel.
    """

    name: str
    quantity: str
    label: Callable[[Sequence[Point]], str]


AGAINST_RATE = (
    AgainstRate("score-rate", "value", lambda points: score_label(points[0])),
    AgainstRate("rate-distortion", "psnr_db", lambda _: "PSNR (dB)"),
    AgainstRate("rate-perception", "closeness_db", closeness_label),
)


def draw_panels(points: Sequence[Point], what: AgainstRate) -> "Figure":
    """Codecs as marks with 95% intervals both ways; the uncompressed score as a dashed line.

    Args:
        points: of tasks that have a compressed case each.
        what: the quantity.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    tasks = list(dict.fromkeys(point.task for point in points))
    marks = marks_of(point for point in points if not point.uncompressed)
    handles, labels = _legend(points, what, marks)
    rows = -(-len(tasks) // _COLUMNS)
    height = rows * _PANEL_INCHES + legend_inches(labels)
    figure = Figure(figsize=(COLUMN_INCHES, height), layout="constrained")
    FigureCanvasAgg(figure)
    grid = list(figure.subplots(rows, _COLUMNS, squeeze=False).flat)
    for axes, task in zip(grid, tasks, strict=False):
        _draw_task(axes, [point for point in points if point.task == task], what, marks)
    for axes in grid[len(tasks) :]:
        axes.set_axis_off()
    figure.align_ylabels()
    add_legend(figure, handles, labels)
    return figure


def _draw_task(axes: "Axes", points: Sequence[Point], what: AgainstRate, marks: Marks) -> None:
    from matplotlib.ticker import MaxNLocator

    compressed = [point for point in points if not point.uncompressed]
    shown = [point for point in compressed if math.isfinite(getattr(point, what.quantity))]
    hidden = len(compressed) - len(shown)
    note = f" ({hidden} infinite, not shown)" if hidden else ""
    axes.set_title(short(points[0].task) + note)
    axes.set_xlabel(rate_label(points[0]))
    axes.set_ylabel(what.label(points))
    axes.set_xscale("log")
    axes.yaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 5, 10], min_n_ticks=3))
    for family in dict.fromkeys(point.family for point in shown):
        settings = sorted(
            (point for point in shown if point.family == family), key=lambda point: point.rate
        )
        if len(settings) > 1:
            axes.plot(
                [point.rate for point in settings],
                [getattr(point, what.quantity) for point in settings],
                color=marks.of_families[family].colour,
                linewidth=0.8,
            )
        for point in settings:
            marks.draw(axes, point, "rate", what.quantity)
    if what.quantity == "value":
        for original in [point for point in points if point.uncompressed][:1]:
            _draw_uncompressed(axes, original)
    axes.margins(0.12)
    axes.autoscale_view()
    _tick_rates(axes)


def _draw_uncompressed(axes: "Axes", original: Point) -> None:
    if not math.isfinite(original.value):
        return
    axes.axhline(original.value, color=UNCOMPRESSED_COLOUR, linestyle="--", linewidth=0.9, zorder=1)
    if "value" in original.intervals:
        axes.axhspan(
            *original.intervals["value"], color=UNCOMPRESSED_COLOUR, alpha=0.13, linewidth=0
        )


def _tick_rates(axes: "Axes") -> None:
    """Plain round numbers on a logarithmic axis, however short it is."""
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

    axes.xaxis.set_major_locator(FixedLocator(_round_numbers(*axes.get_xlim())))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_locator(NullLocator())


def _round_numbers(low: float, high: float) -> list[float]:
    from matplotlib.ticker import MaxNLocator

    if high / low < 5:
        ticks = [float(tick) for tick in MaxNLocator(4, steps=[1, 2, 5, 10]).tick_values(low, high)]
    else:
        decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
        steps = (1, 2, 5) if high / low < 30 else (1, 3) if high / low < 300 else (1,)
        ticks = [step * 10.0**decade for decade in decades for step in steps]
    return [tick for tick in ticks if low <= tick <= high]


def _legend(
    points: Sequence[Point], what: AgainstRate, marks: Marks
) -> tuple[list["Line2D"], list[str]]:
    from matplotlib.lines import Line2D

    compressed = [point for point in points if not point.uncompressed]
    handles = [marks.mark(family) for family in marks.of_families]
    labels = [family_label(family, compressed) for family in marks.of_families]
    if what.quantity == "value" and any(point.uncompressed for point in points):
        handles.append(Line2D([], [], color=UNCOMPRESSED_COLOUR, linestyle="--", linewidth=0.9))
        labels.append("uncompressed")
    return handles, labels


def legend_inches(labels: Sequence[str]) -> float:
    """Height that `add_legend` needs."""
    return -(-len(labels) // _legend_columns(labels)) * _LEGEND_LINE_INCHES + 0.1


def _legend_columns(labels: Sequence[str]) -> int:
    return 2 if max(map(len, labels)) > _WIDE_LABEL else 3


def add_legend(figure: "Figure", handles: Sequence["Line2D"], labels: Sequence[str]) -> None:
    """Below the panels. Labels may begin with an underscore, which matplotlib takes for hidden."""
    legend = figure.legend(
        handles,
        ["-"] * len(labels),
        loc="outside lower center",
        ncols=_legend_columns(labels),
        frameon=False,
        handletextpad=0.4,
        columnspacing=1.2,
    )
    for text, label in zip(legend.get_texts(), labels, strict=True):
        text.set_text(label)
