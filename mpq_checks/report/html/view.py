"""From the results document to what the page shows: texts and numbers, no markup."""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from mpq_checks.decision import deciding_metrics
from mpq_checks.report.numbers import interval_numbers, metric_number
from mpq_checks.report.printed import printed_numbers
from mpq_checks.verdict import Verdict

__all__ = ["anchor", "case_views", "headline", "overview_tables", "printed_views"]

Document = Mapping[str, Any]

_FAILING = {Verdict.REGRESSION, Verdict.INCONCLUSIVE, Verdict.ERROR, Verdict.NEW}


def anchor(case: Mapping[str, Any]) -> str:
    """Id of a case's part of the page."""
    return "case-" + re.sub(r"[^a-z0-9]+", "-", f"{case['task']}-{case['codec']}")


def headline(document: Document) -> dict[str, Any]:
    """Verdict of the run, counts, and how much of the profile it is about."""
    failed = sum(not case["passed"] for case in document["cases"])
    total = len(document["cases"])
    order = {str(verdict): place for place, verdict in enumerate(Verdict)}
    counts = sorted(document["verdicts"].items(), key=lambda item: -order.get(item[0], -1))
    return {
        "failing": "What a reviewer should look at" if document["review"] else "What failed",
        "passed": document["passed"],
        "word": "passed" if document["passed"] else "failed",
        "sentence": document["review"]
        or _sentence(failed, total, problems=len(document["problems"])),
        "counts": counts,
        "measured": _measured(document["created"]),
    }


def _sentence(failed: int, total: int, *, problems: int) -> str:
    if total == 0:
        return "Nothing was checked."
    if failed:
        return f"{failed} of {total} cases failed."
    if problems:
        return f"All {total} cases passed, but the run failed."
    return f"All {total} cases passed."


def _measured(created: str) -> str:
    """`measured on 2026-11-24 at 23:13 UTC`; as it is written where it is no such time."""
    try:
        moment = datetime.fromisoformat(created).astimezone(UTC)
    except ValueError:
        return f"measured {created}"
    return f"measured on {moment:%Y-%m-%d} at {moment:%H:%M} UTC"


def case_views(document: Document) -> list[dict[str, Any]]:
    """Each case as the page tells it."""
    return [_case_view(case) for case in document["cases"]]


def _case_view(case: Mapping[str, Any]) -> dict[str, Any]:
    metrics = [_metric_view(name, metric) for name, metric in case["metrics"].items()]
    named = [{"name": name, **metric} for name, metric in case["metrics"].items()]
    deciding = deciding_metrics({"verdict": case["verdict"], "metrics": named})
    return {
        **case,
        "id": f"{case['task']}/{case['codec']}",
        "anchor": anchor(case),
        "metrics": metrics,
        "cells": _cells(metrics),
        "deciding": _metric_view(deciding[0]["name"], deciding[0]) if deciding else None,
        "hashes": _hashes(case),
        "history": [_history_view(entry) for entry in case["history"]],
        "total_seconds": sum(case["seconds"].values()),
    }


def _metric_view(name: str, metric: Mapping[str, Any]) -> dict[str, Any]:
    number = {
        key: metric_number(metric, key)
        for key in ("value", "baseline", "drop", "margin", "smallest_detectable_drop")
    }
    moved = metric["baseline"] is not None and number["value"] != number["baseline"]
    return {
        **metric,
        "name": name,
        "shown": number,
        "interval_shown": interval_numbers(metric),
        "moved": moved,
        "better": moved and metric["drop"] is not None and float(metric["drop"]) < 0,
        "failing": metric["verdict"] in _FAILING,
        "sort": float(metric["value"]),
    }


def _history_view(entry: Mapping[str, Any]) -> dict[str, Any]:
    return {
        **entry,
        "first": all(before is None for before, _ in entry["moved"].values()),
        "moved": [
            f"{name} {'absent' if before is None else f'{float(before):.6g}'} → {float(now):.6g}"
            for name, (before, now) in entry["moved"].items()
        ],
    }


def _cells(metrics: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any] | None]:
    """Rate, distortion, perceptual distance and main score, for the table of all cases."""
    return [*metrics[:4], *[None] * (4 - len(metrics[:4]))]


def _hashes(case: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The samples that got worse most, with their hashes of now and before; at most five."""
    worse = [sample for sample in case["samples"] if (sample["worse"] or 0) > 0]
    worse.sort(key=lambda sample: (-sample["worse"], sample["sample_id"]))
    return worse[:5]


def overview_tables(document: Document) -> list[dict[str, Any]]:
    """For each modality the table of the paper: metrics and datasets by codecs.

    Tables 3 and 4 of Jacobellis, Cummings and Yadwadkar have this form: a row a metric and
    dataset, a column for the uncompressed signal and one a codec.
    """
    cases = case_views(document)
    return [
        table
        for modality in ("image", "audio")
        if (table := _overview(document, [c for c in cases if c["modality"] == modality], modality))
    ]


def _overview(
    document: Document, cases: Sequence[dict[str, Any]], modality: str
) -> dict[str, Any] | None:
    judged = [case for case in cases if case["metrics"]]
    if not judged:
        return None
    codecs = list(dict.fromkeys(c["codec"] for c in judged if not c["uncompressed"]))
    by_place = {(case["task"], _column(case)): case for case in judged}
    tasks = list(dict.fromkeys(case["task"] for case in judged))
    names = list(
        dict.fromkeys(
            name
            for role in ("distortion", "perceptual", "rate")
            for task in tasks
            if (name := document["tasks"][task][role])
        )
    )
    scores = list(dict.fromkeys(s for task in tasks for s in document["tasks"][task]["scores"]))
    groups = [_group(name, tasks, codecs, by_place) for name in (*names, *scores)]
    return {
        "modality": modality,
        "codecs": codecs,
        "groups": [group for group in groups if group["rows"]],
    }


def _column(case: Mapping[str, Any]) -> str:
    return "" if case["uncompressed"] else str(case["codec"])


def _group(
    name: str,
    tasks: Sequence[str],
    codecs: Sequence[str],
    by_place: Mapping[tuple[str, str], Mapping[str, Any]],
) -> dict[str, Any]:
    rows: list[dict[str, Any]] = []
    for task in tasks:
        cells = [_cell(by_place.get((task, column)), name) for column in ("", *codecs)]
        if any(cell is not None for cell in cells):
            rows.append({"task": task, "cells": cells})
    found = next((c for row in rows for c in row["cells"] if c is not None), None)
    unit = "" if found is None else found["unit"]
    return {"name": name, "unit": unit, "rows": rows, "up": bool(found and found["up"])}


def _cell(case: Mapping[str, Any] | None, name: str) -> dict[str, Any] | None:
    metric = next((m for m in case["metrics"] if m["name"] == name), None) if case else None
    if case is None or metric is None:
        return None
    return {
        "value": metric["shown"]["value"],
        "was": metric["shown"]["baseline"] if metric["moved"] else "",
        "better": metric["better"],
        "failing": metric["failing"] and not case["passed"],
        "verdict": metric["verdict"],
        "unit": metric["unit"],
        "up": metric["higher_is_better"],
        "anchor": case["anchor"],
    }


def printed_views(document: Document) -> list[dict[str, Any]]:
    """A row for each number that a paper printed of this run's cases."""
    anchors = {f"{case['task']}/{case['codec']}": anchor(case) for case in document["cases"]}
    return [
        {
            "case": case_id,
            "anchor": anchors[case_id],
            "metric": name,
            "numbers": printed_numbers(compared),
            "agrees": compared["agrees"],
            "errata": ", ".join(compared["errata"]),
        }
        for case_id, metrics in document["printed"].items()
        for name, compared in metrics.items()
    ]
