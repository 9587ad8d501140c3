"""A case in one line, and what to do about it; the same words wherever outcomes are shown."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import Any

from mpq_checks.decision import deciding_metrics, drop_in_margins
from mpq_checks.outcome import Outcome
from mpq_checks.report.numbers import interval_numbers, metric_number
from mpq_checks.report.plain import shortened
from mpq_checks.verdict import Verdict

__all__ = [
    "counts",
    "deciding_metric",
    "first_moved",
    "from_worst",
    "headline",
    "notes",
    "verdict_words",
]

_TELLING = {Verdict.REGRESSION, Verdict.INCONCLUSIVE, Verdict.ERROR}
_FROM_WORST = (
    Verdict.REGRESSION,
    Verdict.ERROR,
    Verdict.INCONCLUSIVE,
    Verdict.NEW,
    Verdict.IMPROVED,
    Verdict.PASS,
)
_FIRST_MOVED = "first moved link: "


def headline(outcome: Outcome) -> str:
    """`task/codec: REGRESSION, top1 0.648 -> 0.541, drop 0.050..0.150`: at most 100 columns.

    Where no metric decided, the message takes its place.
    """
    metric = deciding_metric(outcome)
    if metric is None:
        cause = _without_folder(outcome.message)
    else:
        before, now = metric_number(metric, "baseline"), metric_number(metric, "value")
        cause = f"{metric['name']} {before} -> {now}, drop {interval_numbers(metric)}"
    verdict = f"{outcome.case_id}: {verdict_words(outcome)}"
    return shortened(f"{verdict}, {cause}" if cause else verdict)


def deciding_metric(outcome: Outcome) -> Mapping[str, Any] | None:
    """The one metric for which the case is a REGRESSION, INCONCLUSIVE or IMPROVED; else None."""
    telling = {Verdict.REGRESSION, Verdict.INCONCLUSIVE, Verdict.IMPROVED}
    if outcome.judgement is None or outcome.verdict not in telling:
        return None
    return next(iter(deciding_metrics(outcome.judgement)), None)


def _without_folder(message: str) -> str:
    """A message that begins with `folder/file.json:` from the file's name on."""
    path, colon, rest = message.partition(": ")
    return f"{PurePath(path).name}: {rest}" if colon and path.endswith(".json") else message


def verdict_words(outcome: Outcome) -> str:
    """The verdict; `PASS (fails)` where the test fails for another cause."""
    failed = not outcome.passed and outcome.verdict not in _TELLING
    return f"{outcome.verdict}{' (fails)' if failed else ''}"


def first_moved(outcome: Outcome) -> str:
    """The first link that moved, with the number of samples where known; empty if none did."""
    if outcome.judgement is None or not outcome.judgement["first_moved"]:
        return ""
    told = (note for note in outcome.judgement["notes"] if note.startswith(_FIRST_MOVED))
    return str(next(told, outcome.judgement["first_moved"]).removeprefix(_FIRST_MOVED))


def notes(outcome: Outcome) -> list[str]:
    """The notes but for the first moved link."""
    if outcome.judgement is None:
        return []
    return [note for note in outcome.judgement["notes"] if not note.startswith(_FIRST_MOVED)]


def from_worst(outcomes: Sequence[Outcome]) -> list[Outcome]:
    """Failing cases first, then by verdict, REGRESSION first, then by how many margins are lost."""

    def rank(outcome: Outcome) -> tuple[bool, int, float]:
        metric = deciding_metric(outcome)
        lost = 0.0 if metric is None else drop_in_margins(metric)
        return outcome.passed, _FROM_WORST.index(outcome.verdict), -lost

    return sorted(outcomes, key=rank)


def counts(outcomes: Sequence[Outcome]) -> str:
    """`1 of 3 cases failed: 1 REGRESSION, 2 PASS`, or `3 cases passed: 3 PASS`."""
    failed = sum(not outcome.passed for outcome in outcomes)
    found = Counter(outcome.verdict for outcome in outcomes)
    kinds = ", ".join(f"{found[verdict]} {verdict}" for verdict in _FROM_WORST if found[verdict])
    cases = "1 case" if len(outcomes) == 1 else f"{len(outcomes)} cases"
    return f"{failed} of {cases} failed: {kinds}" if failed else f"{cases} passed: {kinds}"
