"""The correlation study as a figure: the change of the score against the quality of the signal."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from mpq_checks.analysis import Correlation, Point, correlations
from mpq_checks.analysis.correlation import QUALITIES, Group, groups
from mpq_checks.figures.labels import closeness_label, family_label
from mpq_checks.figures.marks import Marks, marks_of
from mpq_checks.figures.panels import COLUMN_INCHES, add_legend, legend_inches

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["draw_scatter"]

_PANEL_INCHES = 1.75
_LINE_COLOUR = "#B0B0B0"
_SHOWN = {"pearson": "r", "spearman": "\N{GREEK SMALL LETTER RHO}"}


def draw_scatter(points: Sequence[Point]) -> "Figure | None":
    """A row of two panels for each modality: against PSNR, and against LPIPS or CDPAM.

    The change is a share of the uncompressed score. Thin lines join the codecs of a task. The
    titles hold the coefficients over the modality with their 95% intervals. None where no case has
    a finite change.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

    rows = [group for group in groups(points) if group.kind == "modality" and group.points]
    if not rows:
        return None
    shown = [point for group in rows for point in group.points]
    marks = marks_of(shown)
    handles = [marks.mark(family) for family in marks.of_families]
    labels = [family_label(family, shown) for family in marks.of_families]
    handles.append(Line2D([], [], color=_LINE_COLOUR, linewidth=0.8))
    labels.append("one task")
    size = (COLUMN_INCHES, len(rows) * _PANEL_INCHES + legend_inches(labels))
    figure = Figure(figsize=size, layout="constrained")
    FigureCanvasAgg(figure)
    found = correlations(points, kinds=("modality",))
    for line, group in zip(figure.subplots(len(rows), 2, squeeze=False), rows, strict=True):
        for axes, quality in zip(line, QUALITIES, strict=True):
            _draw(axes, group, quality, marks)
            axes.set_title(_title(found, group.name, quality))
        line[0].set_ylabel(f"{group.name} (n = {len(group.points)})\nchange of score (%)")
    figure.align_ylabels()
    add_legend(figure, handles, labels)
    return figure


def _draw(axes: "Axes", group: Group, quality: str, marks: Marks) -> None:
    axes.axhline(0, color=_LINE_COLOUR, linestyle=":", linewidth=0.8, zorder=0)
    at = group.quality(quality)
    percent = [100 * change for change in group.scores]
    triples = sorted(zip(at, percent, group.points, strict=True), key=lambda triple: triple[:2])
    for task in dict.fromkeys(point.task for point in group.points):
        line = [(x, y) for x, y, point in triples if point.task == task]
        axes.plot(*zip(*line, strict=True), color=_LINE_COLOUR, linewidth=0.8, zorder=1)
    for x, y, point in triples:
        marks.draw_at(axes, point.family, x, y)
    axes.set_xlabel("PSNR (dB)" if quality == "psnr_db" else closeness_label(group.points))
    axes.margins(0.1)
    axes.autoscale_view()


def _title(found: Sequence[Correlation], group: str, quality: str) -> str:
    chosen = [
        one
        for one in found
        if one.group == group and one.quality == quality and one.coefficient in _SHOWN
    ]
    return "\n".join(f"{_SHOWN[one.coefficient]} = {_number(one)}" for one in chosen)


def _number(one: Correlation) -> str:
    if one.value is None:
        return "not defined"
    if one.interval is None:
        return f"{_signed(one.value)} (no interval)"
    low, high = one.interval
    return f"{_signed(one.value)} ({_signed(low)} to {_signed(high)})"


def _signed(value: float) -> str:
    return f"{value:.2f}".replace("-", "\N{MINUS SIGN}")
