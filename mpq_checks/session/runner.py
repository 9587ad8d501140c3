"""A worker's side: the `mpq_case` fixture and the report that carries its outcome."""

import shlex
from collections.abc import Callable
from dataclasses import asdict, replace
from typing import Any

import pytest

from mpq_checks.gate import GateSettings, run_case
from mpq_checks.outcome import Outcome
from mpq_checks.profiles import Case
from mpq_checks.report.failure import failure_text

__all__ = [
    "OUTCOME_PROPERTY",
    "RUNNER",
    "CaseRunner",
    "add_junit_properties",
    "attach_outcome",
    "take_outcome",
]

OUTCOME_PROPERTY = "mpq_outcome"
NOT_CHECKED = "the test asked for mpq_case but never called mpq_case.check(): nothing was checked"

ShowProgress = Callable[[str], None]


class CaseRunner:
    """What a test gets as `mpq_case`.

    Attributes:
        case: the case of this test.
        outcome: what came of it; None until `check` was called.
    """

    def __init__(
        self, case: Case, settings: GateSettings, item: pytest.Item, show: ShowProgress
    ) -> None:
        self.case = case
        self.outcome: Outcome | None = None
        self._settings = settings
        self._item = item
        self._show = show

    def check(self) -> Outcome:
        """Measure the case and judge it; fail the test where it fell short."""
        self._show(f"{self.case.id} starting")
        try:
            outcome = run_case(self.case, self._settings, self._progress)
        finally:
            self._show("")
        self.outcome = replace(
            outcome, node_id=self._item.nodeid, reproduce=reproduce_command(self._item)
        )
        if not self.outcome.passed:
            pytest.fail(failure_text(self.outcome), pytrace=False)
        return self.outcome

    def _progress(self, done: int, total: int) -> None:
        self._show(f"{self.case.id} {done}/{total}")


RUNNER: pytest.StashKey[CaseRunner] = pytest.StashKey()


def attach_outcome(item: pytest.Item, report: pytest.TestReport) -> None:
    """Put the outcome on the report of the call; a test that checked nothing has failed."""
    runner = item.stash.get(RUNNER, None)
    if runner is None or report.when != "call":
        return
    if runner.outcome is not None:
        report.user_properties.append((OUTCOME_PROPERTY, asdict(runner.outcome)))
    elif report.passed:
        report.outcome = "failed"
        report.longrepr = NOT_CHECKED


def take_outcome(report: pytest.TestReport) -> Outcome | None:
    """Take the outcome off the report of a call; None where there is none."""
    values: list[Any] = [
        value for name, value in report.user_properties if name == OUTCOME_PROPERTY
    ]
    report.user_properties = [
        pair for pair in report.user_properties if pair[0] != OUTCOME_PROPERTY
    ]
    return Outcome(**values[0]) if values else None


def add_junit_properties(report: pytest.TestReport, outcome: Outcome) -> None:
    """Put verdict and metrics on the report from which pytest takes a test's junit properties."""
    report.user_properties.append(("mpq_verdict", str(outcome.verdict)))
    for name, metric in outcome.metrics.items():
        report.user_properties.append((f"mpq_{name}", metric["value"]))


def reproduce_command(item: pytest.Item) -> str:
    """The command that runs this test alone with the same profile and baselines."""
    words = ["pytest", item.nodeid]
    for option, name in (("--mpq-profile", "mpq_profile"), ("--mpq-baselines", "mpq_baselines")):
        value = getattr(item.config.option, name)
        if value:
            words += [option, value]
    return shlex.join(words)
