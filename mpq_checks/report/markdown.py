"""The job summary: a run in Markdown, as GitHub shows it on the page of a workflow run."""

import html
import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from mpq_checks.outcome import Outcome
from mpq_checks.report.headline import (
    accept_command,
    counts,
    deciding_metric,
    first_moved,
    from_worst,
    notes,
    verdict_words,
)
from mpq_checks.report.numbers import interval_numbers, metric_number, now_and_before
from mpq_checks.report.plain import one_line, shortened

__all__ = ["MAX_BYTES", "append_summary", "markdown_summary"]

MAX_BYTES = 1024 * 1024
"""What GitHub takes per step; it shows nothing of a larger summary."""

_CUT = "\nThe rest is left out: a job summary holds at most 1 MiB.\n"
_MAX_ROWS = 500
_MAX_TEXT = 500
_FAILING = (
    "case", "verdict", "decided by", "baseline -> now", "95% interval of the drop", "margin",
    "first moved link",
)  # fmt: skip
_ALL = ("case", "verdict", "rate", "PSNR dB", "LPIPS or CDPAM", "score")
_SPECIAL = re.compile(r"([\\`*_{}\[\]()#+!|~&<>:@$^])")
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
    blocks = [f"## mpq {_escaped(profile)}: {verdict}\n\n{counts(outcomes)}.\n"]
    if problems:
        blocks.append(_list(problems))
    if failing:
        blocks.append("\n" + _table(_FAILING, failing, _failing_row))
    changes = _environment_changes(outcomes)
    if changes:
        blocks.append("\nThe environment differs from that of the baselines:\n" + _list(changes))
    blocks += [
        _details(f"{outcome.case_id}: samples, notes, commands", _case(outcome))
        for outcome in failing
    ]
    told = _notes_on_passing(outcomes)
    if told:
        blocks.append(_details("Notes on passing cases", _list(told[:_MAX_ROWS])))
    blocks.append(_details("All cases", _table(_ALL, outcomes, _row)))
    return blocks


def _failing_row(outcome: Outcome) -> list[str]:
    start = [_escaped(outcome.case_id), f"**{verdict_words(outcome)}**"]
    moved = _escaped(first_moved(outcome) or "-")
    metric = deciding_metric(outcome)
    if metric is None:
        return [*start, _escaped(outcome.message), "-", "-", "-", moved]
    before, now = metric_number(metric, "baseline"), metric_number(metric, "value")
    numbers = [f"{before} -> {now}", interval_numbers(metric), metric_number(metric, "margin")]
    return [*start, _escaped(metric["name"]), *numbers, moved]


def _row(outcome: Outcome) -> list[str]:
    metrics = list(outcome.metrics.values())[:4]
    cells = [now_and_before(metric) for metric in metrics] or ["-"] * 4
    if metrics:
        cells[-1] = f"{_escaped(metrics[-1]['name'])} {cells[-1]}"
    return [_escaped(outcome.case_id), verdict_words(outcome), *cells]


def _case(outcome: Outcome) -> str:
    told = [outcome.message, *notes(outcome)]
    worst = [] if outcome.judgement is None else outcome.judgement["worst"]
    text = _list(told)
    if worst:
        text += "\nWorst samples, baseline -> now:\n" + _list(worst)
    commands = [command for command in (outcome.reproduce, accept_command(outcome)) if command]
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
    lines = [list(headings), ["---"] * len(headings), *map(row, outcomes[:_MAX_ROWS])]
    text = "".join(f"| {' | '.join(cells)} |\n" for cells in lines)
    left_out = len(outcomes) - _MAX_ROWS
    return text + (f"\n{left_out} more cases are left out here.\n" if left_out > 0 else "")


def _details(title: str, text: str) -> str:
    return f"\n<details><summary>{html.escape(one_line(title))}</summary>\n\n{text}\n</details>\n"


def _list(lines: Sequence[str]) -> str:
    return "\n" + "".join(f"- {_escaped(line)}\n" for line in lines)


def _code(commands: Sequence[str]) -> str:
    text = "\n".join(map(one_line, commands))
    ticks = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * max(3, ticks + 1)
    return f"{fence}sh\n{text}\n{fence}\n"


def _escaped(text: str) -> str:
    """On one line, of bounded length, and nothing in it is Markdown or HTML."""
    return _SPECIAL.sub(r"\\\1", shortened(text, _MAX_TEXT))
