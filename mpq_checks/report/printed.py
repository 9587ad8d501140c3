"""What was measured beside what a paper printed, as text for the end of a run."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from mpq_checks.evidence import decode_floats
from mpq_checks.printed import (
    METHOD,
    Comparison,
    Printed,
    PrintedMetric,
    closeness_tally,
    comparison,
    printed_files,
)
from mpq_checks.report.plain import WIDTH, one_line, wrapped
from mpq_checks.significance.estimates import value_interval

__all__ = ["PAPER", "printed_comparisons", "printed_table"]

PAPER = "paper-as-published"
"""The folder of baselines that holds the paper's own numbers."""

_NAME_COLUMNS, _NUMBER_COLUMNS = 17, 10
_HEADINGS = ("printed", "measured", "difference", "tolerance")
_LEGEND = (
    "tolerance: half of the measured value's 95% interval, at the number of samples that was "
    "printed of, and one unit of the last digit; *: beyond it; erratum: what is known to have "
    "shaped the printed number, see docs/explanation/errata.md"
)


def printed_comparisons(
    document: Mapping[str, Any], baselines: Path
) -> dict[str, dict[str, Comparison]]:
    """By case id and name of a metric, what was measured beside what was printed.

    A case is found by its task and its codec's family, so that the corrected protocol stands beside
    the same numbers as the one that repeats the paper's.

    Args:
        document: as `mpq_checks.results.results` gives it.
        baselines: folder that holds a folder `paper-as-published`; without one nothing is found.

    Raises:
        BaselineError: a file of printed numbers that is not whole.
    """
    printed = {(one.task, one.family): one for one in printed_files(baselines / PAPER)}
    found = {}
    for case in document["cases"]:
        one = printed.get((case["task"], _family(case)))
        if one is not None and case["metrics"]:
            found[f"{case['task']}/{case['codec']}"] = dict(_compared(case, one))
    return found


def printed_table(document: Mapping[str, Any], baselines: Path) -> list[str]:
    """Lines of at most 100 columns, a line a metric below a line a case; nothing without either.

    Takes and raises what `printed_comparisons` does.
    """
    found = printed_comparisons(document, baselines)
    if not found:
        return []
    head = "".join(f"{name:>{_NUMBER_COLUMNS + 1}}" for name in _HEADINGS)
    lines = [f"{'printed and measured':<{_NAME_COLUMNS + 2}}{head}"[:WIDTH] + "  erratum"]
    for case_id, metrics in found.items():
        lines.append(one_line(case_id))
        for name, compared in metrics.items():
            lines += _lines(name, compared)
    beyond = sum(one.agrees is False for metrics in found.values() for one in metrics.values())
    total = sum(map(len, found.values()))
    lines.append(f"{beyond} of {total} printed numbers differ from the measured ones (*)")
    return [*lines, *wrapped(_LEGEND, WIDTH, indent="  ")]


def _compared(case: Mapping[str, Any], printed: Printed) -> Iterator[tuple[str, Comparison]]:
    for name, one in printed.metrics.items():
        measured = case["metrics"].get(name)
        if measured is not None:
            yield name, _of_metric(one, measured, case["n"])
        elif name in {"lpips_db", "cdpam_db"} and case["samples"]:
            distances = [sample["now"]["perceptual"] for sample in case["samples"]]
            tally = closeness_tally(printed.modality, distances, name)
            interval = value_interval(tally, _clusters(case))
            yield name, comparison(one, tally.value(), interval, case["n"])


def _of_metric(one: PrintedMetric, metric: Mapping[str, Any], num_samples: int) -> Comparison:
    value = float(decode_floats(metric["value"]))
    if metric["method"] == METHOD:
        known = metric["interval"] is not None
        return Comparison(one, value, metric["margin"] - one.last_digit if known else None)
    interval = metric["value_interval"]
    if interval is None:
        return comparison(one, value, None, num_samples)
    low, high = (float(decode_floats(end)) for end in interval)
    return comparison(one, value, (low, high), num_samples)


def _clusters(case: Mapping[str, Any]) -> list[int]:
    numbers: dict[tuple[str, str], int] = {}
    return [
        numbers.setdefault(
            ("sample", sample["sample_id"])
            if sample["cluster"] is None
            else ("cluster", sample["cluster"]),
            len(numbers),
        )
        for sample in case["samples"]
    ]


def _family(case: Mapping[str, Any]) -> str:
    return "none" if case["uncompressed"] else str(case["identities"].get("codec", {}).get("codec"))


def _lines(name: str, compared: Comparison) -> list[str]:
    digits = compared.printed.decimals
    numbers = (
        str(compared.printed),
        f"{compared.measured:.{digits}f}",
        f"{compared.difference:+.{digits}f}",
        "-" if compared.tolerance is None else f"{compared.tolerance:.{digits}f}",
    )
    row = "".join(f"{number:>{_NUMBER_COLUMNS + 1}}" for number in numbers)
    mark = " * " if compared.agrees is False else "   "
    start = f"  {name:<{_NAME_COLUMNS}}{row}{mark}"
    errata = wrapped(", ".join(compared.printed.errata), WIDTH - len(start))
    first, *more = errata or [""]
    return [f"{start}{first}".rstrip(), *(" " * len(start) + line for line in more)]
