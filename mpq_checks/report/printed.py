"""What was measured beside what a paper printed, as text for the end of a run."""

from collections.abc import Mapping
from typing import Any

from mpq_checks.evidence import decode_floats
from mpq_checks.report.plain import WIDTH, one_line, wrapped

__all__ = ["printed_numbers", "printed_table"]

_NAME_COLUMNS, _NUMBER_COLUMNS = 17, 10
_HEADINGS = ("printed", "measured", "difference", "tolerance")
_LEGEND = (
    "tolerance: half of the measured value's 95% interval, at the number of samples that was "
    "printed of, and one unit of the last digit; *: beyond it; erratum: what is known to have "
    "shaped the printed number, see docs/explanation/errata.md"
)


def printed_numbers(compared: Mapping[str, Any]) -> tuple[str, str, str, str]:
    """Printed, measured, their difference and the tolerance, with the digits of the printed one."""
    digits = compared["decimals"]
    printed, measured = compared["printed"], float(decode_floats(compared["measured"]))
    tolerance = compared["tolerance"]
    return (
        f"{printed:.{digits}f}",
        f"{measured:.{digits}f}",
        f"{measured - printed:+.{digits}f}",
        "-" if tolerance is None else f"{tolerance:.{digits}f}",
    )


def printed_table(document: Mapping[str, Any]) -> list[str]:
    """Lines of at most 100 columns, a line a metric below a line a case; nothing without either.

    Args:
        document: results of a run.
    """
    found = document["printed"]
    if not found:
        return []
    head = "".join(f"{name:>{_NUMBER_COLUMNS + 1}}" for name in _HEADINGS)
    lines = [f"{'printed and measured':<{_NAME_COLUMNS + 2}}{head}"[:WIDTH] + "  erratum"]
    for case_id, metrics in found.items():
        lines.append(one_line(case_id))
        for name, compared in metrics.items():
            lines += _lines(name, compared)
    beyond = sum(one["agrees"] is False for metrics in found.values() for one in metrics.values())
    total = sum(map(len, found.values()))
    lines.append(f"{beyond} of {total} printed numbers differ from the measured ones (*)")
    return [*lines, *wrapped(_LEGEND, WIDTH, indent="  ")]


def _lines(name: str, compared: Mapping[str, Any]) -> list[str]:
    row = "".join(f"{number:>{_NUMBER_COLUMNS + 1}}" for number in printed_numbers(compared))
    mark = " * " if compared["agrees"] is False else "   "
    start = f"  {name:<{_NAME_COLUMNS}}{row}{mark}"
    errata = wrapped(", ".join(compared["errata"]), WIDTH - len(start))
    first, *more = errata or [""]
    return [f"{start}{first}".rstrip(), *(" " * len(start) + line for line in more)]
