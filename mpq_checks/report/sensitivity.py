"""The table of what a profile's cases can show."""

from collections.abc import Sequence

from rich.table import Table

from mpq_checks.doctor import Sensitivity

__all__ = ["sensitivity_table"]

_TITLE = (
    "smallest drop found with 80% power, at the level that 1% false alarms in a whole run leave"
)


def sensitivity_table(shown: Sequence[Sensitivity]) -> Table:
    """One row a metric, in the order of the cases."""
    table = Table(box=None, pad_edge=False, title=_TITLE, title_justify="left")
    for heading in ("case", "metric"):
        table.add_column(heading, no_wrap=True)
    for heading in ("n", "margin", "shows", "n for margin"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("")
    for one in shown:
        least = one.smallest_detectable_drop
        table.add_row(
            one.case_id,
            one.metric,
            str(one.num_samples),
            f"{one.margin:.4g}",
            "-" if least is None else f"{least:.2g}",
            "-" if one.samples_needed is None else str(one.samples_needed),
            "" if one.suffices else "cannot show its margin",
        )
    return table
