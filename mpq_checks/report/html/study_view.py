"""The correlation study of a run as the page shows it."""

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

import plotly.graph_objects as go

from mpq_checks.analysis import (
    Correlation,
    Point,
    correlations,
    findings,
    points_of_results,
)
from mpq_checks.analysis.correlation import COEFFICIENTS, QUALITIES
from mpq_checks.analysis.points import compressed
from mpq_checks.report.html.charts import chart_json, escaped, marker
from mpq_checks.report.palette import styles

__all__ = ["study_view"]

_ABOUT = (
    "The change of each task's score from the uncompressed signal, as a share of it, against the "
    "quality of what was decoded. Coefficients above 0 say: better quality, better score. Few "
    "codecs a task leave wide intervals. LPIPS and CDPAM enter as -10 log10 of the distance."
)
_HEIGHT = 340


def study_view(document: Mapping[str, Any]) -> dict[str, Any] | None:
    """Charts, coefficients and findings; None where nothing compressed was measured.

    Raises:
        ResultsError: a case that lacks a field.
    """
    points = points_of_results(document).points
    if not compressed(points):
        return None
    found = correlations(points, kinds=("all", "modality", "task"))
    return {
        "about": _ABOUT,
        "coefficients": [name.capitalize() for name in COEFFICIENTS],
        "charts": _charts(points),
        "rows": [_row(list(group)) for _, group in groupby(found, key=_group_key)],
        "findings": [
            {"claim": one.claim, "answer": one.answer, "why": one.reason}
            for one in findings(points)
        ],
    }


def _group_key(one: Correlation) -> tuple[str, str, str]:
    return one.kind, one.group, one.quality


def _row(group: Sequence[Correlation]) -> dict[str, Any]:
    first = group[0]
    return {
        "over": {"all": "all datasets", "modality": f"all {first.group} datasets"}.get(
            first.kind, first.group
        ),
        "against": "PSNR" if first.quality == "psnr_db" else first.quality_name.upper(),
        "points": first.n,
        "coefficients": [{"text": _coefficient(one), "why": one.missing} for one in group],
    }


def _coefficient(one: Correlation) -> str:
    if one.value is None:
        return "-"
    if one.interval is None:
        return f"{one.value:.2f}"
    low, high = one.interval
    return f"{one.value:.2f} ({low:.2f}..{high:.2f})"


def _charts(points: Sequence[Point]) -> list[dict[str, Any]]:
    used = [point for point in compressed(points) if point.relative_change is not None]
    return [
        {
            "id": f"study-{modality}-{quality}",
            "title": f"{modality}: score against {_quality_name(of_modality, quality)}",
            "chart": chart_json(_scatter(of_modality, quality)),
        }
        for modality in dict.fromkeys(point.modality for point in used)
        for of_modality in [[point for point in used if point.modality == modality]]
        for quality in QUALITIES
    ]


def _scatter(points: Sequence[Point], quality: str) -> go.Figure:
    looks = styles(point.family for point in points)
    figure = go.Figure()
    for family in dict.fromkeys(point.family for point in points):
        chosen = [point for point in points if point.family == family]
        figure.add_trace(
            go.Scatter(
                x=[getattr(point, quality) for point in chosen],
                y=[100 * (point.relative_change or 0.0) for point in chosen],
                mode="markers",
                name=escaped(family),
                marker=marker(looks[family]),
                hovertext=[_hover(point) for point in chosen],
                hovertemplate="%{hovertext}<extra></extra>",
            )
        )
    figure.add_hline(y=0, line={"dash": "dash", "width": 1.5, "color": "#7f7f7f"})
    figure.update_layout(
        height=_HEIGHT,
        margin={"l": 60, "r": 16, "t": 12, "b": 48},
        showlegend=True,
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0, "entrywidth": 70},
        xaxis={"title": {"text": f"{_quality_name(points, quality)} (dB)"}},
        yaxis={"title": {"text": "change of the score (%)"}},
        hovermode="closest",
    )
    return figure


def _quality_name(points: Sequence[Point], quality: str) -> str:
    if quality == "psnr_db":
        return "PSNR"
    return " and ".join(
        f"-10 log10 {name.upper()}" for name in dict.fromkeys(p.perceptual for p in points)
    )


def _hover(point: Point) -> str:
    change = 100 * (point.relative_change or 0.0)
    return (
        f"<b>{escaped(point.task)}</b><br>{escaped(point.codec)}<br>"
        f"{escaped(point.score)} {point.value:.{point.decimals}f} ({change:+.1f}%)<br>"
        f"PSNR {point.psnr_db:.1f} dB, {escaped(point.perceptual.upper())} "
        f"{point.closeness_db:.1f} dB"
    )
