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
from mpq_checks.report.headline import headline

__all__ = [
    "OUTCOME_PROPERTY",
    "RUNNER",
    "CaseRunner",
    "add_junit_properties",
    "attach_outcome",
    "reproduce_command",
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
        node_id = self._item.nodeid
        reproduce = reproduce_command(node_id, self._item.config)
        self.outcome = replace(outcome, node_id=node_id, reproduce=reproduce)
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
        _shorten_crash_message(report, runner.outcome)
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


def _shorten_crash_message(report: pytest.TestReport, outcome: Outcome) -> None:
    """Keep pytest's short summary and junit's message from repeating the whole text."""
    crash = getattr(report.longrepr, "reprcrash", None)
    if not outcome.passed and crash is not None:
        crash.message = headline(outcome)


def add_junit_properties(report: pytest.TestReport, outcome: Outcome) -> None:
    """Put verdict, first moved link and metrics on the report that junit's properties come from."""
    found: list[tuple[str, object]] = [("mpq_verdict", str(outcome.verdict))]
    if outcome.judgement is not None and outcome.judgement["first_moved"]:
        found.append(("mpq_first_moved", outcome.judgement["first_moved"]))
    for name, metric in outcome.metrics.items():
        found.append((f"mpq_{name}", metric["value"]))
        if metric["baseline"] is not None:
            found.append((f"mpq_{name}_baseline", metric["baseline"]))
            found.append((f"mpq_{name}_drop", metric["drop"]))
    report.user_properties += found


def reproduce_command(node_id: str, config: pytest.Config) -> str:
    """The command that runs this test alone with the same profile, baselines and device."""
    words = ["pytest", node_id]
    for option in ("--mpq-profile", "--mpq-baselines", "--mpq-device"):
        value = config.getoption(option)
        if value and value != "auto":
            words += [option, value]
    return shlex.join(words)
