"""The controller's side: assets beforehand; table, results file and baselines at the end."""

import shutil
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pytest

from mpq_checks import assets
from mpq_checks.curves import Curve, curves_of_run
from mpq_checks.errors import BaselineError, MpqError
from mpq_checks.gate import GateSettings
from mpq_checks.outcome import Outcome
from mpq_checks.report.curves import curve_lines
from mpq_checks.report.terminal import print_table, underpowered
from mpq_checks.results import results, write_results
from mpq_checks.session.items import case_id_of, case_of
from mpq_checks.session.options import settings_of
from mpq_checks.session.progress import WORKER_FOLDER, ProgressWatcher, progress_line
from mpq_checks.session.runner import add_junit_properties, take_outcome
from mpq_checks.tasks.base import assets_of
from mpq_checks.update import Accepted, accept

__all__ = ["GateController"]


class GateController:
    """Collects the outcomes of a session; registered as a plugin of its own."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._outcomes: dict[str, Outcome] = {}
        self._curves: tuple[Curve, ...] = ()
        self._results: dict[str, Any] = {}
        self._accepted: tuple[Accepted, ...] = ()
        self._lines: list[str] = []
        self._crashed = False
        self._fetched = False
        self._progress_folder: Path | None = None
        self._watcher: ProgressWatcher | None = None

    @property
    def _settings(self) -> GateSettings:
        return settings_of(self._config)

    # Before the tests

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> None:
        """Fetch what this process's own items need; under xdist it has none."""
        if not session.config.option.collectonly:
            self._fetch(item.nodeid for item in session.items if case_of(item) is not None)

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:
        """Tell a worker where to leave its progress, and start to watch."""
        if self._progress_folder is None:
            self._progress_folder = Path(tempfile.mkdtemp(prefix="mpq-progress-"))
            self._watcher = ProgressWatcher(self._progress_folder, progress_line(self._config))
            self._watcher.start()
        node.workerinput[WORKER_FOLDER] = str(self._progress_folder)

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, node: Any, ids: Sequence[str]) -> None:
        """Fetch what the collected cases need before any worker starts on them."""
        self._fetch(ids)

    def _fetch(self, nodeids: Iterable[str]) -> None:
        found = {case_id_of(nodeid) for nodeid in nodeids} - {None}
        if self._fetched or not found:
            return
        self._fetched = True
        cases = [case for case in self._settings.profile.cases if case.id in found]
        try:
            missing = assets.missing(assets_of(*cases))
            if missing:
                with assets.RichProgress() as progress:
                    assets.fetch(missing, progress=progress)
        except MpqError as error:
            # The cases that need it fail by themselves, each with this error.
            self._lines.append(f"assets: {error}")

    # During the tests

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keep the outcome of a case, or the fact that there is none."""
        outcome = take_outcome(report)
        case_id = case_id_of(report.nodeid)
        if outcome is None and report.failed and case_id not in self._outcomes:
            outcome = self._failed_without_outcome(case_id, report)
        if outcome is not None:
            self._outcomes[outcome.case_id] = outcome
        if report.when == "teardown" and case_id in self._outcomes:
            add_junit_properties(report, self._outcomes[case_id])

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any, error: object | None) -> None:
        """Remember that a worker died."""
        if error is not None:
            self._crashed = True

    def _failed_without_outcome(
        self, case_id: str | None, report: pytest.TestReport
    ) -> Outcome | None:
        if case_id is None:
            return None
        case = self._settings.profile.case(case_id)
        if case is None:
            return None
        lines = report.longreprtext.strip().splitlines() or ["no message"]
        return Outcome.of(case, lines[-1])

    # After the tests

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        """Write what was asked for; a failure to write fails the session."""
        if self._watcher is not None:
            self._watcher.stop()
        if self._progress_folder is not None:
            shutil.rmtree(self._progress_folder, ignore_errors=True)
        self._gather_results()
        for write in (self._write_baselines, self._write_results):
            try:
                write(exitstatus)
            except (BaselineError, OSError) as error:
                self._lines.append(f"ERROR: {error}")
                session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def _gather_results(self) -> None:
        """Before new baselines are written, as the results are those against the old ones."""
        profile, baselines = self._settings.profile, self._settings.baselines
        if self._outcomes:
            self._curves = curves_of_run(profile, self._outcomes.values(), baselines)
        if self._config.option.mpq_json:
            self._results = results(profile, self._in_order(), baselines, self._curves)

    def _write_baselines(self, exitstatus: int) -> None:
        if not any(outcome.accept for outcome in self._outcomes.values()):
            return
        if self._crashed or exitstatus not in {pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED}:
            self._lines.append("baselines: none written, because the run did not end by itself")
            return
        self._accepted = accept(
            list(self._outcomes.values()),
            self._settings.baselines,
            self._settings.profile.name,
            self._settings.reason,
        )

    def _write_results(self, exitstatus: int) -> None:
        path = self._config.option.mpq_json
        if path:
            target = Path(self._config.invocation_params.dir, path)
            write_results(target, self._results)
            self._lines.append(f"results: {target}")

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """Print the table, what was accepted, and what went wrong."""
        if self._outcomes:
            terminalreporter.write_sep("=", f"mpq {self._settings.profile.name}")
            print_table(
                self._in_order(),
                terminalreporter._tw._file,
                colour=terminalreporter._tw.hasmarkup,
            )
            for line in curve_lines(self._curves):
                terminalreporter.write_line(line)
            for note in (*self._notes(), *underpowered(self._in_order())):
                terminalreporter.write_line(note)
        for accepted in self._accepted:
            moved = "; ".join(accepted.moved) or "unchanged"
            terminalreporter.write_line(f"baseline {accepted.path}: {moved}")
        for line in self._lines:
            terminalreporter.write_line(line)

    def _notes(self) -> Iterable[str]:
        for outcome in self._in_order():
            if outcome.passed and outcome.judgement is not None:
                for note in outcome.judgement["notes"]:
                    yield f"{outcome.case_id}: {note}"

    def _in_order(self) -> list[Outcome]:
        order = {case.id: index for index, case in enumerate(self._settings.profile.cases)}
        return sorted(
            self._outcomes.values(), key=lambda outcome: order.get(outcome.case_id, len(order))
        )
