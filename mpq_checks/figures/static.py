"""Figures for papers, drawn from the results of a run."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mpq_checks.analysis import points_of_results
from mpq_checks.errors import ResultsError
from mpq_checks.figures.panels import AGAINST_RATE, draw_panels
from mpq_checks.figures.saving import check_formats, house_style, save
from mpq_checks.figures.scatter import draw_scatter

__all__ = ["write_figures"]


def write_figures(
    document: Mapping[str, Any], folder: Path, formats: Sequence[str] = ("svg", "png")
) -> tuple[Path, ...]:
    """Write `score-rate`, `rate-distortion`, `rate-perception` and `correlation`.

    One column of a two-column paper wide (3.5 inches), letters of 6.5 to 7 points. The same results
    give the same bytes with the same matplotlib. `correlation` is left out where no compressed case
    has an uncompressed one beside it.

    Args:
        document: as `mpq_checks.results.read_results` gives it.
        folder: made if it does not exist.
        formats: of `svg`, `png` and `pdf`.

    Returns:
        The files written.

    Raises:
        ResultsError: an unknown format, no compressed case with values, a case that is not whole,
            or a file that cannot be written.
    """
    check_formats(formats)
    study = points_of_results(document)
    tasks = {point.task for point in study.points if not point.uncompressed}
    points = [point for point in study.points if point.task in tasks]
    if not points:
        raise ResultsError(
            "there is nothing to draw: no compressed case of these results has values"
        )
    paths: list[Path] = []
    with house_style():
        for what in AGAINST_RATE:
            paths += save(draw_panels(points, what), folder, what.name, formats)
        scatter = draw_scatter(points)
        if scatter is not None:
            paths += save(scatter, folder, "correlation", formats)
    return tuple(paths)
