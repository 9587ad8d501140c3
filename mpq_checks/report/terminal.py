"""What stands at the end of a run."""

import io
import shutil
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from mpq_checks.outcome import Outcome
from mpq_checks.report.headline import counts, headline, verdict_words
from mpq_checks.report.numbers import metric_number, now_and_before
from mpq_checks.report.plain import WIDTH, wrapped
from mpq_checks.verdict import Verdict

__all__ = ["quiet_lines", "sensitivity_lines", "table", "table_lines", "terminal_width"]

_LEGEND = "rate: bits per pixel or per sample; =: as the baseline at this precision"
_LEFT_OUT = "=: as the baseline at this precision; a wider terminal shows rate, PSNR and distance"
_POWER = "sensitivity: drops above the margin and below these are INCONCLUSIVE more often than not"
_STYLES = {
    Verdict.PASS: "green",
    Verdict.IMPROVED: "cyan",
    Verdict.NEW: "yellow",
    Verdict.INCONCLUSIVE: "yellow",
    Verdict.REGRESSION: "bold red",
    Verdict.ERROR: "bold red",
}


def terminal_width() -> int:
    """Columns to fill: those of the terminal, at most 100; 100 where there is none."""
    return min(WIDTH, shutil.get_terminal_size((WIDTH, 24)).columns)


def table_lines(outcomes: Sequence[Outcome], *, width: int = WIDTH, colour: bool) -> list[str]:
    """The table, a legend and the counts, as lines of at most `width` columns, in ASCII.

    Args:
        outcomes: one row each.
        width: columns; below 100, rate, PSNR and distance are left out where they need more.
        colour: whether the lines hold ANSI colours.
    """
    stream = io.StringIO()
    console = Console(
        file=stream,
        width=width,
        force_terminal=colour,
        color_system="standard" if colour else None,
        no_color=not colour,
        highlight=False,
        markup=False,
        emoji=False,
    )
    wide = Measurement.get(console, console.options.update(max_width=sys.maxsize), table(outcomes))
    narrow = width < WIDTH and wide.maximum > width
    console.print(table(outcomes, narrow=narrow))
    console.print(_LEFT_OUT if narrow else _LEGEND)
    console.print(counts(outcomes))
    return [line.rstrip() for line in stream.getvalue().splitlines()]


def quiet_lines(profile: str, outcomes: Sequence[Outcome], num_written: int) -> list[str]:
    """One line per failing case, then one with the counts."""
    failing = [headline(outcome) for outcome in outcomes if not outcome.passed]
    baselines = "1 baseline" if num_written == 1 else f"{num_written} baselines"
    written = f"; {baselines} written" if num_written else ""
    return [*failing, f"mpq {profile}: {counts(outcomes)}{written}"]


def table(outcomes: Sequence[Outcome], *, narrow: bool = False) -> Table:
    """One row a case: verdict, rate, PSNR, perceptual distance and main score, each with its own
    baseline where it moved; a narrow one has verdict and score only.
    """
    built = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("case", "verdict"):
        built.add_column(heading, no_wrap=not narrow, overflow="fold")
    headings = ("score",) if narrow else ("rate", "PSNR dB", "LPIPS|CDPAM", "score")
    for heading in headings:
        built.add_column(heading, justify="right", overflow="fold")
    for outcome in outcomes:
        numbers = _numbers(outcome)[-len(headings) :]
        built.add_row(outcome.case_id, _verdict(outcome), *numbers)
    return built


def sensitivity_lines(
    outcomes: Sequence[Outcome], *, width: int = WIDTH, verbose: bool
) -> list[str]:
    """Which cases have too few samples to show a drop of a margin; one line, unless `verbose`.

    Nothing where all can.
    """
    weak = {outcome.case_id: _weak_metrics(outcome) for outcome in outcomes}
    weak = {case_id: metrics for case_id, metrics in weak.items() if metrics}
    if not weak:
        return []
    if not verbose:
        told = f"{len(weak)} of {len(outcomes)} cases cannot show a drop of each margin"
        return wrapped(f"sensitivity: {told} (-v or `mpq doctor` lists them)", width, indent="  ")
    lines = wrapped(_POWER, width, indent="  ")
    for case_id, metrics in weak.items():
        parts = (
            f"{metric['name']} {metric_number(metric, 'smallest_detectable_drop')} "
            f"(margin {metric_number(metric, 'margin')})"
            for metric in metrics
        )
        text = f"{case_id} shows drops from: {', '.join(parts)}"
        lines += wrapped(text, width, indent="  ")
    return lines


def _weak_metrics(outcome: Outcome) -> list[Mapping[str, Any]]:
    return [metric for metric in outcome.metrics.values() if _is_weak(metric)]


def _is_weak(metric: Mapping[str, Any]) -> bool:
    least = metric["smallest_detectable_drop"]
    return least is not None and float(least) > metric["margin"]


def _verdict(outcome: Outcome) -> Text:
    style = _STYLES[outcome.verdict] if outcome.passed else "bold red"
    return Text(verdict_words(outcome), style=style)


def _numbers(outcome: Outcome) -> list[str]:
    metrics = list(outcome.metrics.values())
    if not metrics:
        return ["-"] * 4
    rate, psnr, perceptual, score = metrics[:4]
    return [
        now_and_before(rate),
        now_and_before(psnr),
        now_and_before(perceptual),
        f"{score['name']} {now_and_before(score)}",
    ]
