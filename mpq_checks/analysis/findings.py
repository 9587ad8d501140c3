"""The paper's three findings, each asked of a study: yes, no, or cannot be told.

An answer is `yes` or `no` only where an interval of 95% leaves no other; an estimate by itself
gives none. What each question means here:

1. **Generative codecs keep machine perceptual quality at high compression.** Each case of a
   generative codec is compared with the cases of conventional codecs of the same task that spend as
   many bits or more. It holds where its score is shown to be higher than that of each of them, and
   fails where it is shown to be lower than that of any. A case with a rate above those of all
   conventional codecs has nothing to be compared with. The finding is `yes` where all comparable
   cases hold, `no` where one fails.
2. **The score correlates with deep similarity more than with PSNR.** Within each task, Spearman's
   coefficient of the score with -10 log10 of the distance, less that with PSNR; the mean over the
   tasks. `yes` where its interval lies above 0, `no` where it lies below.
3. **Lossy compression can raise the score.** Each compressed case against the uncompressed one of
   its task. `yes` where one is shown to be higher, its p-value multiplied by the number of cases
   that were looked at; `no` where all are shown to be lower.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mpq_checks.analysis.advantage import Advantage, advantages
from mpq_checks.analysis.difference import Difference, difference
from mpq_checks.analysis.families import is_conventional, is_generative
from mpq_checks.analysis.points import Point

__all__ = ["CANNOT_BE_TOLD", "NO", "YES", "Finding", "findings"]

YES, NO, CANNOT_BE_TOLD = "yes", "no", "cannot be told"

_ONE_SIDED = 0.025
_DECIDING = "spearman"


@dataclass(frozen=True)
class Finding:
    """One of the paper's findings, asked of one study.

    Attributes:
        number: 1, 2 or 3.
        claim: what the paper says.
        answer: `yes`, `no` or `cannot be told`.
        reason: the answer in a sentence with its numbers.
        numbers: what it rests on, as JSON values: one entry a case, or a coefficient.
    """

    number: int
    claim: str
    answer: str
    reason: str
    numbers: tuple[Mapping[str, Any], ...]

    def to_json(self) -> dict[str, Any]:
        """The attributes as JSON values."""
        return {**vars(self), "numbers": list(self.numbers)}


def findings(points: Sequence[Point]) -> tuple[Finding, Finding, Finding]:
    """The three findings of one study, asked as the head of this module says."""
    return _generative(points), _deep_similarity(points), _raised(points)


def _generative(points: Sequence[Point]) -> Finding:
    originals = _originals(points)
    compared = [_against_rivals(point, points) for point in points if is_generative(point)]
    answers = [answer for _, rivals, answer in compared if rivals]
    numbers = [
        {
            "case": point.case_id,
            "rate": point.rate,
            "relative_change": point.relative_change,
            "against_uncompressed": _json_against(point, originals.get(point.task)),
            "against": [
                {"case": rival.case_id, "rate": rival.rate, **found.to_json()}
                for rival, found in rivals
            ],
            "holds": _word(answer),
        }
        for point, rivals, answer in compared
    ]
    without = len(compared) - len(answers)
    held, failed = answers.count(True), answers.count(False)
    ahead = sum(
        bool(rivals) and all(found.better_by >= 0 for _, found in rivals)
        for _, rivals, _ in compared
    )
    if not compared:
        reason = "no case of a generative codec was measured"
    else:
        reason = (
            f"of {_count(len(compared), 'case')} of generative codecs, {without} spend more bits "
            f"than every conventional codec; of the other {len(answers)}, {held} are shown to beat "
            f"every conventional codec that spends as many bits or more, {failed} to fall behind "
            f"one; by the estimates alone {ahead} are ahead or level"
        )
    return Finding(
        1,
        "Generative codecs keep machine perceptual quality at high compression.",
        _answer(any_no=failed > 0, all_yes=bool(answers) and held == len(answers)),
        reason,
        tuple(numbers),
    )


def _against_rivals(
    point: Point, points: Sequence[Point]
) -> tuple[Point, list[tuple[Point, Difference]], bool | None]:
    rivals = [
        (other, difference(point, other))
        for other in points
        if other.task == point.task and is_conventional(other) and other.rate >= point.rate
    ]
    answers = [found.answer for _, found in rivals]
    if False in answers:
        return point, rivals, False
    return point, rivals, True if answers and None not in answers else None


def _deep_similarity(points: Sequence[Point]) -> Finding:
    found = advantages(points)
    deciding = next(one for one in found if one.kind == "tasks" and one.coefficient == _DECIDING)
    low, high = deciding.interval or (-math.inf, math.inf)
    return Finding(
        2,
        "The score correlates with deep similarity more than with PSNR.",
        _answer(any_no=high < 0, all_yes=low > 0),
        _advantage_words(deciding),
        tuple(one.to_json() for one in found),
    )


def _advantage_words(found: Advantage) -> str:
    if found.value is None:
        return f"no task has both coefficients: {found.missing}"
    words = (
        f"within tasks, in the mean over {_count(found.n, 'task')}, Spearman's coefficient is "
        f"{found.closeness:+.2f} with {found.quality_name} and {found.psnr:+.2f} with PSNR: a "
        f"difference of {found.value:+.2f}"
    )
    if found.interval is None:
        return f"{words}; no interval, because {found.missing}"
    low, high = found.interval
    return f"{words}, 95% interval {low:+.2f} to {high:+.2f}"


def _raised(points: Sequence[Point]) -> Finding:
    originals = _originals(points)
    looked_at = [
        (point, difference(point, originals[point.task]))
        for point in points
        if not point.uncompressed and point.task in originals
    ]
    raised = [_is_raised(found, len(looked_at)) for _, found in looked_at]
    above = [point for point, found in looked_at if found.better_by > 0]
    lower = [found.answer is False for _, found in looked_at]
    if looked_at:
        reason = (
            f"of {_count(len(looked_at), 'compressed case')}, {len(above)} score above the "
            f"uncompressed signal, {sum(raised)} shown beyond chance after the correction for "
            f"{_count(len(looked_at), 'comparison')}; {sum(lower)} are shown to score below it"
        )
    else:
        reason = "no compressed case has an uncompressed one beside it"
    return Finding(
        3,
        "Lossy compression can raise the score.",
        _answer(any_no=bool(lower) and all(lower), all_yes=any(raised)),
        reason,
        tuple(
            {
                "case": point.case_id,
                "relative_change": point.relative_change,
                **found.to_json(),
                "p_corrected": _corrected(found, len(looked_at)),
                "raised": is_raised,
            }
            for (point, found), is_raised in zip(looked_at, raised, strict=True)
        ),
    )


def _is_raised(found: Difference, comparisons: int) -> bool:
    """Beyond chance; where samples could not be paired, by intervals that do not meet."""
    corrected = _corrected(found, comparisons)
    return found.answer is True and (corrected is None or corrected <= _ONE_SIDED)


def _corrected(found: Difference, comparisons: int) -> float | None:
    """Bonferroni's, which for the smallest p-value is Holm's."""
    return None if found.p_better is None else min(1.0, found.p_better * comparisons)


def _originals(points: Sequence[Point]) -> dict[str, Point]:
    return {point.task: point for point in reversed(points) if point.uncompressed}


def _json_against(point: Point, original: Point | None) -> dict[str, Any] | None:
    return None if original is None else difference(point, original).to_json()


def _answer(*, any_no: bool, all_yes: bool) -> str:
    if any_no:
        return NO
    return YES if all_yes else CANNOT_BE_TOLD


def _word(answer: bool | None) -> str:
    return CANNOT_BE_TOLD if answer is None else YES if answer else NO


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
