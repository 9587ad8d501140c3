"""Writes docs/explanation/canaries.md and a summary for programs from the judged changes."""

import json
import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

from canary_base import Change
from canary_changes import CHANGES, TASKS
from canary_judging import Finding, find, problems, rank
from canary_store import ROOT, path_of
from markdown_table import table

from mpq_checks.baselines import write_text_atomically

__all__ = ["judge_all"]

PAGE = ROOT / "docs" / "explanation" / "canaries.md"
SUMMARY = ROOT / "benchmarks" / "canaries.json"

_VERDICTS = ("REGRESSION", "INCONCLUSIVE", "PASS", "IMPROVED")

_INTRODUCTION = """# Canaries

Does the gate catch what is harmful, and does it let pass what is harmless? `benchmarks/canaries.py`
makes real changes to the codecs, models and metrics of the mini profile, measures each on all
samples of its case, and judges it against the committed baseline. This page is its output.

    python benchmarks/canaries.py measure    # about an hour on one core; resumable
    python benchmarks/canaries.py judge      # writes this page
    python benchmarks/canaries.py spread     # planning figures for power

REGRESSION and INCONCLUSIVE fail the gate, PASS and IMPROVED pass. `judge` fails if a harmless
change fails, or if a harmful one moves a metric by more than its margin and its smallest detectable
drop without a REGRESSION of that metric. A drop is how much worse; below 0 is better.
"""

_TEXTS = {
    "harmful": (
        "Harmful",
        "Slips that a team could ship. Those that pass made no metric worse by more than its "
        "margin.",
    ),
    "harmless": ("Harmless", "Nothing that a model could notice."),
    "drift": (
        "Drift",
        "Bytes or floats change, for better or worse. Reported, not asserted.",
    ),
}


def judge_all() -> int:
    """Judge what is measured, write the page and the summary. 1 if anything is wrong."""
    measured = [change for change in CHANGES if path_of(change).exists()]
    findings = find(measured)
    write_text_atomically(PAGE, _page(findings))
    write_text_atomically(SUMMARY, _summary(findings))
    wrong = [problem for finding in findings for problem in problems(finding)]
    for change in CHANGES:
        if change not in measured:
            print(f"not measured: {change.name}")
    for finding in findings:
        if finding.judgement.first_moved != finding.change.link:
            moved = finding.judgement.first_moved
            print(f"{finding.change.name}: moved {moved}, expected {finding.change.link}")
    print(_counts(findings))
    print("\n".join(wrong) if wrong else "nothing wrong")
    return 1 if wrong or len(measured) < len(CHANGES) else 0


def _page(findings: Sequence[Finding]) -> str:
    parts = [_INTRODUCTION, _counts(findings), _by_task(findings)]
    for kind, (title, text) in _TEXTS.items():
        of_kind = sorted((f for f in findings if f.change.kind == kind), key=rank)
        parts += [f"## {title}\n", f"{text}\n", _changes(of_kind)]
    return "\n".join(parts)


def _counts(findings: Sequence[Finding]) -> str:
    rows = []
    for kind in _TEXTS:
        count = Counter(f.verdict for f in findings if f.change.kind == kind)
        rows.append([kind, str(count.total()), *(str(count[v]) for v in _VERDICTS)])
    return table(["kind", "changes", *_VERDICTS], rows)


def _by_task(findings: Sequence[Finding]) -> str:
    rows = []
    for task in TASKS:
        row = [task]
        for kind in _TEXTS:
            own = [f for f in findings if (_task(f.change), f.change.kind) == (task, kind)]
            row.append(f"{sum(f.caught for f in own)} of {len(own)}")
        rows.append(row)
    return table(["task", "harmful caught", "harmless failed", "drift failed"], rows)


def _changes(findings: Sequence[Finding]) -> str:
    head = ["change", "case", "verdict", "decided by", "drop", "margin", "detectable"]
    head += ["other metrics that fail", "first moved"]
    return table(head, [_row(finding) for finding in findings])


def _row(finding: Finding) -> list[str]:
    metric = finding.deciding
    others = [name for name in finding.failing if name != metric.name]
    numbers = (metric.drop, metric.margin, metric.smallest_detectable_drop)
    return [
        finding.change.what,
        finding.change.case_id,
        finding.verdict,
        *([metric.name, *map(_number, numbers)] if metric.drop else ["-"] * 4),
        ", ".join(others) or "-",
        finding.judgement.first_moved or "-",
    ]


def _number(value: float | None) -> str:
    if value is None:
        return "-"
    return "0" if value == 0 else f"{value:.2g}"


def _summary(findings: Sequence[Finding]) -> str:
    """One change a line."""
    lines = [json.dumps(_entry(finding), allow_nan=False) for finding in findings]
    return "[\n" + ",\n".join(lines) + "\n]\n"


def _entry(finding: Finding) -> dict[str, Any]:
    metric = finding.deciding
    return {
        "name": finding.change.name,
        "kind": finding.change.kind,
        "verdict": finding.verdict,
        "metric": metric.name,
        "drop": _json_number(metric.drop),
        "margin": _json_number(metric.margin),
        "smallest_detectable_drop": _json_number(metric.smallest_detectable_drop),
        "p_value": _json_number(metric.p_value),
        "failing": finding.failing,
        "first_moved": finding.judgement.first_moved,
    }


def _json_number(value: float | None) -> float | str | None:
    if value is None:
        return None
    return float(f"{value:.4g}") if math.isfinite(value) else str(value)


def _task(change: Change) -> str:
    return change.case_id.split("/")[0]
