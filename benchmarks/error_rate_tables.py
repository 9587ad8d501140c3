"""The page of the simulations' results."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from markdown_table import table

__all__ = ["tables"]

_HEAD = """# Error rates

Results of `benchmarks/error_rates.py`, which judges simulated runs with the functions that judge
real ones. [statistics.md](statistics.md) explains the tests. The runs are drawn from the evidence
of the real changes in [canaries.md](canaries.md): what the differences of real samples look like,
skew and discordance included, is taken from there and not assumed. The cases of MBT2018, HiFiC
and EnCodec have no canaries yet and are not among them; with them a suite judges 161 metrics in
place of 105, and each is tested at a level that is lower by as much.
"""


def tables(results: Mapping[str, Any]) -> str:
    """Markdown of all parts that have results."""
    parts = [_HEAD]
    for name, write in _PARTS.items():
        if name in results:
            parts.append(write(results[name]["rows"], results[name]["runs"]))
    return "\n".join(parts)


def _null(rows: Sequence[Mapping[str, Any]], runs: int) -> str:
    total, *by_metric = rows
    lines = [
        "## False alarms",
        "",
        f"{runs} whole suites of {total['cases']} cases. In each, every case is drawn with "
        "replacement from the samples of a real change, and baseline and candidate change places "
        "at random, sample by sample: the candidate is noisy, but not worse. Bound: 1% of suites "
        "with any REGRESSION.",
        "",
        f"**{total['alarms']} of {runs} suites ({total['alarms'] / runs:.2%}) had a REGRESSION.**",
        "",
    ]
    if by_metric:
        body = [(row["metric"], row["alarms"]) for row in by_metric]
        lines.append(table(("metric", "suites with a REGRESSION of it"), body))
    return "\n".join(lines)


def _inconclusive(rows: Sequence[Mapping[str, Any]], runs: int) -> str:
    lines = [
        "## Inconclusive runs",
        "",
        f"{runs} runs each in which nothing got worse. The rate of INCONCLUSIVE, by number of "
        "samples and noise; the rest is PASS. Of a continuous score the noise is the standard "
        "deviation of a sample's difference, in margins; of top-1 the share of samples that flip "
        "either way, with a margin of 1.5 points. Identical evidence is never inconclusive.",
        "",
    ]
    noises = list(dict.fromkeys((row["kind"], row["noise"]) for row in rows))
    sizes = sorted({row["n"] for row in rows})
    found = {(row["kind"], row["noise"], row["n"]): row for row in rows}
    body = [
        (kind, noise, *(f"{found[kind, noise, n]['inconclusive']:.1%}" for n in sizes))
        for kind, noise in noises
    ]
    return "\n".join([*lines, table(("kind", "noise", *(f"n = {n}" for n in sizes)), body)])


def _margin(rows: Sequence[Mapping[str, Any]], runs: int) -> str:
    lines = [
        "## False passes",
        "",
        f"{runs} runs for each metric, shared by its tasks, drawn from a population whose true "
        "drop is the margin: the mildest real change that exceeds the margin, scaled back to it. "
        "Bound: 5% PASS.",
        "",
    ]
    body = [
        (
            row["task"],
            row["metric"],
            str(row["n"]),
            str(row["runs"]),
            row["change"].split(".", 1)[1],
            *(f"{row[verdict]:.1%}" for verdict in ("PASS", "INCONCLUSIVE", "REGRESSION")),
        )
        for row in sorted(rows, key=lambda row: (row["task"], row["metric"]))
    ]
    head = ("task", "metric", "n", "runs", "change", "PASS", "INCONCLUSIVE", "REGRESSION")
    return "\n".join([*lines, table(head, body)])


def _power(rows: Sequence[Mapping[str, Any]], runs: int) -> str:
    lines = [
        "## Power",
        "",
        f"Share of {runs} runs in which a true drop is found (its p-value lies under the level of "
        "the family), at multiples of the stated smallest detectable drop. At 1 it should be 80%, "
        "give or take 5 points. The effects of samples are those of the named real change.",
        "",
    ]
    body = [
        (
            row["kind"],
            str(row["n"]),
            *("" if rate is None else f"{rate:.1%}" for rate in row["rates"]),
        )
        for row in rows
    ]
    head = ("metric", "n", "0.25", "0.5", "0.75", "1", "1.25", "1.5")
    return "\n".join([*lines, table(head, body)])


def _coverage(rows: Sequence[Mapping[str, Any]], runs: int) -> str:
    lines = [
        "## Coverage",
        "",
        f"How often the 95% interval holds the true drop, {runs} runs each. Bound: 94%. In "
        "brackets the shares of runs in which the truth lies below and above the interval.",
        "",
    ]
    sizes = sorted({row["n"] for row in rows})
    kinds = list(dict.fromkeys(row["kind"] for row in rows))
    found = {(row["kind"], row["n"]): row for row in rows}
    body = [
        (kind, *(_covered(found[kind, size]) for size in sizes if (kind, size) in found))
        for kind in kinds
    ]
    return "\n".join([*lines, table(("data", *(f"n = {n}" for n in sizes)), body)])


def _covered(row: Mapping[str, Any]) -> str:
    return f"{1 - row['below'] - row['above']:.1%} ({row['below']:.1%}, {row['above']:.1%})"


_PARTS: dict[str, Callable[[Sequence[Mapping[str, Any]], int], str]] = {
    "null": _null,
    "inconclusive": _inconclusive,
    "margin": _margin,
    "power": _power,
    "coverage": _coverage,
}
