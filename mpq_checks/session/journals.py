"""The controller's side of --mpq-resume: what is kept after the session."""

import contextlib
import shutil
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from mpq_checks.journal import case_folder
from mpq_checks.session.items import case_id_of
from mpq_checks.session.options import settings_of
from mpq_checks.session.runner import OUTCOME_PROPERTY

__all__ = ["JournalKeeper"]


class JournalKeeper:
    """Removes the journals after a session that measured each of its cases to the end.

    Otherwise it would have to be run again, and they stay: of a session that was interrupted, or
    in which a case could not be measured, also those of the other cases.
    """

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._cases: dict[str, bool] = {}
        self._kept: Path | None = None

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_logreport(
        self, report: pytest.TestReport
    ) -> Generator[None, object, object]:
        """Note whether a case was measured, before the controller takes the outcome away."""
        case_id = case_id_of(report.nodeid)
        if case_id is not None:
            self._cases[case_id] = _was_measured(report) or self._cases.get(case_id, False)
        return (yield)

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        """After the controller wrote what was asked for."""
        if not self._cases:
            return
        settings = settings_of(self._config)
        assert settings.resume is not None  # noqa: S101  (for the type checker)
        if not self._is_over(session, exitstatus):
            self._kept = settings.resume
            return
        folder = settings.resume / settings.profile.name
        for case_id in self._cases:
            _remove(case_folder(settings.resume, settings.profile.name, case_id))
        for empty in {folder / case_id.partition("/")[0] for case_id in self._cases}:
            _remove_if_empty(empty)
        _remove_if_empty(folder)

    def _is_over(self, session: pytest.Session, exitstatus: int) -> bool:
        """Whether the session ended by itself, measured all, and could write what it should."""
        stopped = session.shouldstop or session.shouldfail
        unwritten = exitstatus == pytest.ExitCode.OK != session.exitstatus
        ended = exitstatus in {pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED}
        return ended and not stopped and not unwritten and all(self._cases.values())

    @pytest.hookimpl(trylast=True)
    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """Say that there is something to go on from."""
        if self._kept is not None:
            terminalreporter.write_line(
                f"{self._kept} keeps what was measured; the same command goes on from there"
            )


def _was_measured(report: pytest.TestReport) -> bool:
    outcome: Any = dict(report.user_properties).get(OUTCOME_PROPERTY)
    return outcome is not None and outcome["evidence"] is not None


def _remove(folder: Path) -> None:
    # What cannot be removed is told apart from other runs by its key: it does no harm.
    shutil.rmtree(folder, ignore_errors=True)


def _remove_if_empty(folder: Path) -> None:
    with contextlib.suppress(OSError):
        folder.rmdir()
