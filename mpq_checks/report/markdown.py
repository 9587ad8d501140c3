"""The job summary: a run in Markdown, as GitHub shows it on the page of a workflow run."""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from mpq_checks.outcome import Outcome
from mpq_checks.report.headline import (
    counts,
    deciding_metric,
    first_moved,
    from_worst,
    notes,
    verdict_words,
)
from mpq_checks.report.markdown_blocks import bullets, details, escaped, rows_table
from mpq_checks.report.numbers import interval_numbers, metric_number, now_and_before
from mpq_checks.report.plain import one_line

__all__ = ["MAX_BYTES", "append_summary", "markdown_summary"]

MAX_BYTES = 1024 * 1024
"""What GitHub takes per step; it shows nothing of a larger summary."""

_CUT = "\nThe rest is left out: a job summary holds at most 1 MiB.\n"
_MAX_ROWS = 500
_FAILING = (
    "case", "verdict", "decided by", "baseline -> now", "95% interval of the drop", "margin",
    "first moved link",
)  # fmt: skip
_ALL = ("case", "verdict", "rate", "PSNR dB", "LPIPS or CDPAM", "score")
_ENVIRONMENT = "environment "


def append_summary(path: Path, blocks: Iterable[str]) -> None:
    """Append the blocks that fit into what GitHub takes; where some do not, a line says so.

    Raises:
        OSError: the file cannot be written.
    """
    size = path.stat().st_size if path.exists() else 0
    room = MAX_BYTES - size - len(_CUT.encode())
    kept = []
    for block in blocks:
        room -= len(block.encode())
        if room < 0:
            kept.append(_CUT)
            break
        kept.append(block)
    with path.open("a", encoding="utf-8", newline="\n") as file:
        file.write("".join(kept))


def markdown_summary(
    profile: str, outcomes: Sequence[Outcome], *, passed: bool, problems: Sequence[str] = ()
) -> list[str]:
    """Blocks of Markdown, each whole by itself, the most telling first.

    Args:
        profile: its name.
        outcomes: of the run, in the order of the profile.
        passed: whether the whole run did.
        problems: what went wrong besides the cases: files not written, other tests that failed.
    """
    failing = [outcome for outcome in from_worst(outcomes) if not outcome.passed]
    verdict = "passed" if passed else "failed"
    blocks = [f"## mpq {escaped(profile)}: {verdict}\n\n{counts(outcomes)}.\n"]
    if problems:
        blocks.append(bullets(problems))
    if failing:
        blocks.append("\n" + _table(_FAILING, failing, _failing_row))
    changes = _environment_changes(outcomes)
    if changes:
        blocks.append("\nThe environment differs from that of the baselines:\n" + bullets(changes))
    blocks += [
        details(f"{outcome.case_id}: samples, notes, commands", _case(outcome))
        for outcome in failing
    ]
    told = _notes_on_passing(outcomes)
    if told:
        blocks.append(details("Notes on passing cases", bullets(told[:_MAX_ROWS])))
    blocks.append(details("All cases", _table(_ALL, outcomes, _row)))
    return blocks


def _failing_row(outcome: Outcome) -> list[str]:
    start = [escaped(outcome.case_id), f"**{verdict_words(outcome)}**"]
    moved = escaped(first_moved(outcome) or "-")
    metric = deciding_metric(outcome)
    if metric is None:
        return [*start, escaped(outcome.message), "-", "-", "-", moved]
    before, now = metric_number(metric, "baseline"), metric_number(metric, "value")
    numbers = [f"{before} -> {now}", interval_numbers(metric), metric_number(metric, "margin")]
    return [*start, escaped(metric["name"]), *numbers, moved]


def _row(outcome: Outcome) -> list[str]:
    metrics = list(outcome.metrics.values())[:4]
    cells = [now_and_before(metric) for metric in metrics] or ["-"] * 4
    if metrics:
        cells[-1] = f"{escaped(metrics[-1]['name'])} {cells[-1]}"
    return [escaped(outcome.case_id), verdict_words(outcome), *cells]


def _case(outcome: Outcome) -> str:
    told = [outcome.message, *notes(outcome)]
    worst = [] if outcome.judgement is None else outcome.judgement["worst"]
    text = bullets(told)
    if worst:
        text += "\nWorst samples, baseline -> now:\n" + bullets(worst)
    commands = [command for command in (outcome.reproduce, outcome.accept_command) if command]
    return text + (f"\n{_code(commands)}" if commands else "")


def _notes_on_passing(outcomes: Sequence[Outcome]) -> list[str]:
    return [
        f"{outcome.case_id}: {note}"
        for outcome in outcomes
        for note in notes(outcome)
        if outcome.passed and not note.startswith(_ENVIRONMENT)
    ]


def _environment_changes(outcomes: Sequence[Outcome]) -> list[str]:
    found = Counter(
        note.removeprefix(_ENVIRONMENT)
        for outcome in outcomes
        for note in notes(outcome)
        if note.startswith(_ENVIRONMENT)
    )
    return [f"{change} ({count} of {len(outcomes)} cases)" for change, count in found.items()]


def _table(
    headings: Sequence[str], outcomes: Sequence[Outcome], row: Callable[[Outcome], list[str]]
) -> str:
    text = rows_table(headings, map(row, outcomes[:_MAX_ROWS]))
    left_out = len(outcomes) - _MAX_ROWS
    return text + (f"\n{left_out} more cases are left out here.\n" if left_out > 0 else "")


def _code(commands: Sequence[str]) -> str:
    text = "\n".join(map(one_line, commands))
    ticks = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * max(3, ticks + 1)
    return f"{fence}sh\n{text}\n{fence}\n"
