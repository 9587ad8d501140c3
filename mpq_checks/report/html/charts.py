"""The charts of the page as plotly figures; the page sets the colours of ground and text."""

import html
import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

import plotly.graph_objects as go

from mpq_checks.evidence import decode_floats
from mpq_checks.report.numbers import metric_number
from mpq_checks.report.palette import Style, styles

__all__ = ["chart_json", "escaped", "interval_chart", "marker", "task_charts"]

Case = Mapping[str, Any]

_MARK_SIZE = 13
_HEIGHT = 380
_ROW_HEIGHT = 34

_AGAINST_RATE = ("score", "distortion", "perceptual")


def chart_json(figure: go.Figure) -> dict[str, Any]:
    """Data and layout for plotly.js; JSON values only."""
    content: dict[str, Any] = json.loads(figure.to_json(engine="json"))
    return {"data": content["data"], "layout": content["layout"]}


def marker(look: Style) -> dict[str, Any]:
    """How the points of a codec are drawn."""
    edge = {"width": 1, "color": "rgba(255,255,255,0.8)"}
    return {"size": _MARK_SIZE, "color": look.colour, "symbol": look.symbol, "line": edge}


def escaped(text: str) -> str:
    """Text as plotly shall show it: it reads a part of HTML in names and hover texts."""
    return html.escape(str(text), quote=False)


def task_charts(document: Mapping[str, Any], task: str) -> list[dict[str, Any]]:
    """Score, PSNR and perceptual distance against the rate: key, title and chart of each.

    The uncompressed signal is a dashed line, with a band where its interval is known.
    """
    cases = [case for case in document["cases"] if case["task"] == task and case["metrics"]]
    coded = [case for case in cases if not case["uncompressed"]]
    uncompressed = next((case for case in cases if case["uncompressed"]), None)
    if not coded:
        return []
    looks = styles(_family(case) for case in coded)
    return [
        {
            "key": role,
            "title": f"{_metric_of(coded[0], role)[0]} against rate",
            "chart": chart_json(_against_rate(coded, uncompressed, role, looks)),
        }
        for role in _AGAINST_RATE
    ]


def _against_rate(
    cases: Sequence[Case], uncompressed: Case | None, role: str, looks: Mapping[str, Style]
) -> go.Figure:
    figure = go.Figure()
    name, first = _metric_of(cases[0], role)
    for case in cases:
        _, rate = _metric_of(case, "rate")
        _, metric = _metric_of(case, role)
        if math.isinf(_number(metric["value"])):
            continue
        figure.add_trace(
            go.Scatter(
                x=[_number(rate["value"])],
                y=[_number(metric["value"])],
                error_x=_error_bar(rate),
                error_y=_error_bar(metric),
                name=escaped(case["codec"]),
                mode="markers",
                marker=marker(looks[_family(case)]),
                hovertext=[_hover(case, name, metric, rate)],
                hovertemplate="%{hovertext}<extra></extra>",
            )
        )
    if uncompressed is not None:
        _add_uncompressed(figure, _metric_of(uncompressed, role)[1])
    figure.update_layout(
        height=_HEIGHT,
        margin={"l": 60, "r": 16, "t": 12, "b": 48},
        legend={
            "orientation": "h",
            "y": 1.02,
            "yanchor": "bottom",
            "x": -0.16,
            "entrywidth": 138,
            "font": {"size": 11},
        },
        xaxis={"title": {"text": _axis_title(*_metric_of(cases[0], "rate"))}, "type": "log"},
        yaxis={
            "title": {"text": _axis_title(name, first)},
            "autorange": True if first["higher_is_better"] else "reversed",
        },
        hovermode="closest",
    )
    return figure


def _add_uncompressed(figure: go.Figure, metric: Mapping[str, Any]) -> None:
    value = _number(metric["value"])
    # An exact copy has no PSNR and no distance to draw a line at.
    if math.isinf(value) or metric["role"] != "score":
        return
    figure.add_hline(
        y=value,
        line={"dash": "dash", "width": 1.5, "color": "#7f7f7f"},
        annotation={"text": f"uncompressed {metric_number(metric, 'value')}", "font": {"size": 11}},
    )
    if metric["value_interval"] is not None:
        low, high = map(_number, metric["value_interval"])
        figure.add_hrect(
            y0=low, y1=high, line_width=0, fillcolor="#7f7f7f", opacity=0.12, layer="below"
        )


def interval_chart(case: Case) -> dict[str, Any] | None:
    """Drop, interval, margin and smallest detectable drop of each metric, in margins.

    None where no metric has an interval and a margin above 0.
    """
    rows = [
        (name, metric)
        for name, metric in case["metrics"].items()
        if metric["interval"] is not None
        and metric["margin"] > 0
        and all(math.isfinite(_number(end)) for end in (metric["drop"], *metric["interval"]))
    ]
    if not rows:
        return None
    names = [escaped(name) for name, _ in rows]
    scaled = [_in_margins(metric) for _, metric in rows]
    figure = go.Figure()
    figure.add_trace(
        go.Scatter(
            x=[drop for drop, _, _ in scaled],
            y=names,
            error_x={
                "type": "data",
                "symmetric": False,
                "array": [high - drop for drop, _, high in scaled],
                "arrayminus": [drop - low for drop, low, _ in scaled],
                "thickness": 3,
                "width": 7,
            },
            mode="markers",
            name="drop with 95% interval",
            marker={"size": 11, "color": "#0072B2"},
            hovertext=[_drop_text(name, metric) for name, metric in rows],
            hovertemplate="%{hovertext}<extra></extra>",
        )
    )
    figure.add_trace(
        go.Scatter(
            x=[_detectable_in_margins(metric) for _, metric in rows],
            y=names,
            mode="markers",
            name="smallest drop these samples show",
            marker={"size": 11, "symbol": "diamond-open", "color": "#CC79A7", "line": {"width": 2}},
            hovertemplate="%{x:.2f} margins<extra></extra>",
        )
    )
    figure.add_vline(x=0, line={"width": 1, "color": "#7f7f7f"})
    figure.add_vline(
        x=1,
        line={"dash": "dash", "width": 1.5, "color": "#D55E00"},
        annotation={"text": "margin", "font": {"size": 11}},
    )
    figure.update_layout(
        height=120 + _ROW_HEIGHT * len(rows),
        margin={"l": 130, "r": 16, "t": 24, "b": 44},
        legend={"orientation": "h", "y": 1.04, "yanchor": "bottom", "x": 0},
        xaxis={"title": {"text": "drop in margins: right of the dashed line is too much"}},
        yaxis={"autorange": "reversed"},
    )
    return chart_json(figure)


def _in_margins(metric: Mapping[str, Any]) -> tuple[float, float, float]:
    """Drop and the ends of its interval."""
    ends = (metric["drop"], *metric["interval"])
    drop, low, high = (_number(value) / metric["margin"] for value in ends)
    return drop, low, high


def _detectable_in_margins(metric: Mapping[str, Any]) -> float | None:
    least = metric["smallest_detectable_drop"]
    return None if least is None else _number(least) / float(metric["margin"])


def _drop_text(name: str, metric: Mapping[str, Any]) -> str:
    low, high = (metric_number({**metric, "end": end}, "end") for end in metric["interval"])
    return (
        f"<b>{escaped(name)}</b><br>drop {metric_number(metric, 'drop')} ({low} to {high})"
        f"<br>margin {metric_number(metric, 'margin')}: {metric['verdict']}"
    )


def _hover(case: Case, name: str, metric: Mapping[str, Any], rate: Mapping[str, Any]) -> str:
    lines = [f"<b>{escaped(case['codec'])}</b>: {case['verdict']}"]
    for title, one in ((name, metric), ("rate", rate)):
        text = f"{escaped(title)} {metric_number(one, 'value')} {escaped(one['unit'])}"
        if one["value_interval"] is not None:
            ends = (metric_number({**one, "end": e}, "end") for e in one["value_interval"])
            text += f" ({' to '.join(ends)})"
        if one["baseline"] is not None:
            text += f", baseline {metric_number(one, 'baseline')}"
        lines.append(text)
    return "<br>".join([*lines, f"{case['n']} samples"])


def _error_bar(metric: Mapping[str, Any]) -> dict[str, Any] | None:
    if metric["value_interval"] is None:
        return None
    value = _number(metric["value"])
    low, high = map(_number, metric["value_interval"])
    return {
        "type": "data",
        "symmetric": False,
        "array": [high - value],
        "arrayminus": [value - low],
        "thickness": 1.2,
        "width": 3,
    }


def _metric_of(case: Case, role: str) -> tuple[str, Mapping[str, Any]]:
    """The first metric of a role: of the scores, the main one."""
    return next((name, one) for name, one in case["metrics"].items() if one["role"] == role)


def _axis_title(name: str, metric: Mapping[str, Any]) -> str:
    unit = f" ({metric['unit']})" if metric["unit"] else ""
    return escaped(f"{name}{unit}")


def _family(case: Case) -> str:
    return str(case["identities"].get("codec", {}).get("codec") or case["codec"])


def _number(value: Any) -> float:
    return float(decode_floats(value))
