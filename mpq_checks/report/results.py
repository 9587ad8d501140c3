"""The results of a run for programs: `--mpq-json`."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mpq_checks.baselines import write_text_atomically
from mpq_checks.curves import Curve
from mpq_checks.environment import library_versions
from mpq_checks.outcome import Outcome

__all__ = ["SCHEMA", "results", "write_results"]

SCHEMA = "mpq-results/1"

_METRIC_KEYS = (
    "value",
    "baseline",
    "drop",
    "interval",
    "margin",
    "p_value",
    "smallest_detectable_drop",
    "samples_needed",
    "method",
    "verdict",
    "unit",
    "higher_is_better",
)


def results(
    profile: str, outcomes: Sequence[Outcome], curves: Sequence[Curve] = ()
) -> dict[str, Any]:
    """JSON values only; an infinite number is the string "inf"."""
    return {
        "schema": SCHEMA,
        "profile": profile,
        "environment": _environment(outcomes),
        "cases": [_case(outcome) for outcome in outcomes],
        "curves": [curve.to_json() for curve in curves],
    }


def write_results(
    path: Path, profile: str, outcomes: Sequence[Outcome], curves: Sequence[Curve] = ()
) -> None:
    """Write the results in one step. Raises OSError."""
    data = results(profile, outcomes, curves)
    text = json.dumps(data, indent=2, ensure_ascii=False, allow_nan=False)
    write_text_atomically(path, text + "\n")


def _case(outcome: Outcome) -> dict[str, Any]:
    judgement: Mapping[str, Any] = outcome.judgement or {}
    return {
        "task": outcome.task,
        "codec": outcome.codec,
        "kind": outcome.kind,
        "modality": outcome.modality,
        "verdict": str(outcome.verdict),
        "passed": outcome.passed,
        "message": outcome.message,
        "first_moved": judgement.get("first_moved"),
        "notes": list(judgement.get("notes", ())),
        "worst": list(judgement.get("worst", ())),
        "signature": judgement.get("signature", ""),
        "n": outcome.num_samples,
        "seconds": dict(outcome.seconds),
        "metrics": {
            name: {key: metric[key] for key in _METRIC_KEYS}
            for name, metric in outcome.metrics.items()
        },
    }


def _environment(outcomes: Sequence[Outcome]) -> dict[str, str]:
    for outcome in outcomes:
        if outcome.evidence is not None:
            return dict(outcome.evidence["environment"])
    return library_versions()
