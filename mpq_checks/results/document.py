"""From the outcomes of a run to the document."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from mpq_checks.aggregate import tallies
from mpq_checks.baselines import Baseline, baseline_path, read_baseline
from mpq_checks.blame import Change, changes
from mpq_checks.curves import Curve
from mpq_checks.environment import library_versions
from mpq_checks.errors import BaselineError
from mpq_checks.evidence import Evidence, cluster_numbers, encode_floats
from mpq_checks.outcome import Outcome
from mpq_checks.profiles.base import Case, Profile
from mpq_checks.results.printed import printed_comparisons
from mpq_checks.results.samples import paired_samples
from mpq_checks.results.tasks import tasks_of
from mpq_checks.significance.estimates import value_interval

__all__ = ["SCHEMA", "results"]

SCHEMA = "mpq-results/1"

_ROLES = ("rate", "distortion", "perceptual")

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
    "decimals",
)


def results(
    profile: Profile,
    outcomes: Sequence[Outcome],
    baselines: Path,
    curves: Sequence[Curve] = (),
    review: str = "",
) -> dict[str, Any]:
    """JSON values only; an infinite number is the string "inf".

    Args:
        profile: the cases.
        outcomes: of this run.
        baselines: folder of the baselines, before any update.
        curves: codecs with several settings.
        review: what is compared, where the run stands for a change of baselines.

    Raises:
        BaselineError: a file of printed numbers that is not whole.
    """
    stored = {outcome.case_id: _stored(outcome, profile, baselines) for outcome in outcomes}
    uncompressed = {
        outcome.task: outcome.read_evidence()
        for outcome in outcomes
        if _is_uncompressed(profile, outcome) and outcome.evidence is not None
    }
    document: dict[str, Any] = {
        "schema": SCHEMA,
        "profile": profile.name,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "passed": bool(outcomes) and all(outcome.passed for outcome in outcomes),
        "problems": [],
        "review": review,
        "verdicts": dict(Counter(str(outcome.verdict) for outcome in outcomes)),
        "environment": _environment(outcomes),
        "environment_changes": _environment_changes(outcomes, stored),
        "tasks": tasks_of(profile, outcomes),
        "cases": [
            _case(outcome, profile, stored[outcome.case_id], uncompressed.get(outcome.task))
            for outcome in outcomes
        ],
        "curves": [curve.to_json() for curve in curves],
    }
    return {**document, "printed": printed_comparisons(document, baselines)}


def _case(
    outcome: Outcome, profile: Profile, stored: Baseline | None, uncompressed: Evidence | None
) -> dict[str, Any]:
    judgement: Mapping[str, Any] = outcome.judgement or {}
    case = profile.case(outcome.case_id)
    evidence = None if outcome.evidence is None else outcome.read_evidence()
    return {
        "task": outcome.task,
        "codec": outcome.codec,
        "kind": outcome.kind,
        "modality": outcome.modality,
        "uncompressed": _is_uncompressed(profile, outcome),
        "verdict": str(outcome.verdict),
        "passed": outcome.passed,
        "message": outcome.message,
        "first_moved": judgement.get("first_moved"),
        "notes": list(judgement.get("notes", ())),
        "worst": list(judgement.get("worst", ())),
        "signature": judgement.get("signature", ""),
        "node_id": outcome.node_id,
        "reproduce": outcome.reproduce,
        "accept": outcome.accept_command,
        "n": outcome.num_samples,
        "seconds": dict(outcome.seconds),
        "metrics": _metrics(outcome, case, evidence),
        "identities": {} if evidence is None else dict(evidence.identities),
        "identity_changes": _identity_changes(evidence, stored),
        "history": [] if stored is None else _history(stored),
        "samples": (
            []
            if case is None or evidence is None
            else paired_samples(
                case.task,
                evidence.rows,
                () if stored is None else stored.evidence.rows,
                () if uncompressed is None else uncompressed.rows,
            )
        ),
    }


def _metrics(outcome: Outcome, case: Case | None, evidence: Evidence | None) -> dict[str, Any]:
    intervals = {} if case is None or evidence is None else _value_intervals(case, evidence)
    return {
        name: {
            "role": _ROLES[place] if place < len(_ROLES) else "score",
            **{key: metric[key] for key in _METRIC_KEYS},
            "value_interval": intervals.get(name),
        }
        for place, (name, metric) in enumerate(outcome.metrics.items())
    }


def _value_intervals(case: Case, evidence: Evidence) -> dict[str, Any]:
    clusters = cluster_numbers(evidence.rows)
    return {
        name: encode_floats(value_interval(tally, clusters))
        for name, tally in tallies(case, evidence.rows).items()
    }


def _stored(outcome: Outcome, profile: Profile, baselines: Path) -> Baseline | None:
    """The baseline of a case; None where there is none that can be read."""
    try:
        return read_baseline(baseline_path(baselines, profile.name, outcome.task, outcome.codec))
    except BaselineError:
        return None


def _history(stored: Baseline) -> list[dict[str, Any]]:
    return [
        {
            "date": entry.date,
            "reason": entry.reason,
            "moved": encode_floats({name: list(pair) for name, pair in entry.moved.items()}),
        }
        for entry in stored.history
    ]


def _identity_changes(evidence: Evidence | None, stored: Baseline | None) -> list[dict[str, str]]:
    if evidence is None or stored is None:
        return []
    return [
        change.to_json()
        for part, identity in evidence.identities.items()
        for change in changes(part, stored.evidence.identities.get(part, {}), identity)
    ]


def _environment(outcomes: Sequence[Outcome]) -> dict[str, str]:
    for outcome in outcomes:
        if outcome.evidence is not None:
            return dict(outcome.evidence["environment"])
    return library_versions()


def _environment_changes(
    outcomes: Sequence[Outcome], stored: Mapping[str, Baseline | None]
) -> list[dict[str, Any]]:
    """What differs from the environments of the baselines, with the number of cases it is of."""
    counts: Counter[Change] = Counter()
    for outcome in outcomes:
        baseline = stored[outcome.case_id]
        if baseline is not None and outcome.evidence is not None:
            before, now = baseline.evidence.environment, outcome.evidence["environment"]
            counts.update(changes("environment", before, now))
    return [{**change.to_json(), "cases": count} for change, count in sorted(counts.items())]


def _is_uncompressed(profile: Profile, outcome: Outcome) -> bool:
    case = profile.case(outcome.case_id)
    return case is not None and case.codec.nominal_rate is not None
