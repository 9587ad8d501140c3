"""The controller's side: assets beforehand; table, results file and baselines at the end."""

import os
import shutil
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mpq_checks import assets
from mpq_checks.curves import Curve, curves_of_run
from mpq_checks.errors import MpqError
from mpq_checks.gate import GateSettings
from mpq_checks.measure import resolve_device
from mpq_checks.outcome import Outcome
from mpq_checks.report.annotations import Place, annotations, place_in_workspace
from mpq_checks.report.curves import curve_lines
from mpq_checks.report.markdown import append_summary, markdown_summary
from mpq_checks.report.plain import encodable, one_line
from mpq_checks.report.printed import printed_table
from mpq_checks.report.terminal import (
    quiet_lines,
    sensitivity_lines,
    table_lines,
    terminal_width,
)
from mpq_checks.results import has_printed, results, write_results
from mpq_checks.session.items import case_id_of, case_of
from mpq_checks.session.options import settings_of
from mpq_checks.session.progress import WORKER_FOLDER, ProgressWatcher, progress_line
from mpq_checks.session.runner import add_junit_properties, reproduce_command, take_outcome
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
        self._places: dict[str, Place] = {}
        self._lines: list[str] = []
        self._problems: list[str] = []
        self._other_failures: list[str] = []
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
            self._problems.append(f"assets: {error}")

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
            self._places[outcome.case_id] = self._place(report)
        if report.failed and case_id is None:
            self._other_failures.append(f"{report.nodeid} failed")
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
        reproduce = reproduce_command(report.nodeid, self._config)
        return replace(Outcome.of(case, lines[-1]), node_id=report.nodeid, reproduce=reproduce)

    def _place(self, report: pytest.TestReport) -> Place:
        file, line, _ = report.location
        workspace = os.environ.get("GITHUB_WORKSPACE")
        return place_in_workspace(self._config.rootpath, file, line, workspace)

    # After the tests

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        """Write what was asked for; a failure to write fails the session."""
        if self._watcher is not None:
            self._watcher.stop()
        if self._progress_folder is not None:
            shutil.rmtree(self._progress_folder, ignore_errors=True)
        writers = (
            self._gather_results,
            self._write_baselines,
            self._write_results,
            self._write_report,
            self._write_summary,
        )
        for write in writers:
            try:
                write(exitstatus)
            except (MpqError, OSError) as error:
                self._problems.append(f"ERROR: {error}")
                session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def _gather_results(self, exitstatus: int) -> None:
        """Before new baselines are written, as the results are those against the old ones."""
        if not self._outcomes:
            return
        profile, baselines = self._settings.profile, self._settings.baselines
        self._curves = curves_of_run(profile, self._outcomes.values(), baselines)
        printed = has_printed(self._outcomes.values(), baselines)
        if self._config.option.mpq_json or self._config.option.mpq_report or printed:
            self._results = results(profile, self._in_order(), baselines, self._curves)

    def _told_results(self, exitstatus: int) -> dict[str, Any]:
        """The results with what has failed beside the cases so far."""
        problems = [*self._other_failures, *self._problems]
        if exitstatus != pytest.ExitCode.OK and self._results["passed"] and not problems:
            problems.append(f"pytest ended with exit status {int(exitstatus)}")
        passed = self._results["passed"] and not problems
        return {**self._results, "passed": passed, "problems": problems}

    def _write_baselines(self, exitstatus: int) -> None:
        if not any(outcome.accept for outcome in self._outcomes.values()):
            return
        if self._crashed or exitstatus not in {pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED}:
            self._problems.append("baselines: none written, because the run did not end by itself")
            return
        self._accepted = accept(
            list(self._outcomes.values()),
            self._settings.baselines,
            self._settings.profile.name,
            self._settings.reason,
        )

    def _write_results(self, exitstatus: int) -> None:
        path = self._config.option.mpq_json
        if path and self._results:
            target = Path(self._config.invocation_params.dir, path)
            write_results(target, self._told_results(exitstatus))
            self._lines.append(f"results: {target}")

    def _write_report(self, exitstatus: int) -> None:
        folder = self._config.option.mpq_report
        if not folder or not self._results:
            return
        from mpq_checks.report.folder import write_report_folder

        page = write_report_folder(
            Path(self._config.invocation_params.dir, folder),
            self._told_results(exitstatus),
            self._settings.profile,
            device=resolve_device(self._settings.device),
        )
        self._lines.append(f"report: {page}")

    def _write_summary(self, exitstatus: int) -> None:
        """The job summary, where GitHub names a file for it."""
        path = os.environ.get("GITHUB_STEP_SUMMARY")
        if path and self._outcomes:
            blocks = markdown_summary(
                self._settings.profile.name,
                self._in_order(),
                passed=exitstatus == pytest.ExitCode.OK and not self._problems,
                problems=(*self._other_failures, *self._problems),
            )
            append_summary(Path(path), blocks)

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """Print the table, what was accepted, and what went wrong; with -q only failing cases."""
        lines: list[str] = []
        if self._config.option.verbose >= 0:
            if self._outcomes:
                terminalreporter.write_sep("=", f"mpq {self._settings.profile.name}")
            lines += self._full_lines(colour=terminalreporter._tw.hasmarkup)
        elif self._outcomes:
            written = sum(bool(accepted.moved) for accepted in self._accepted)
            lines += quiet_lines(self._settings.profile.name, self._in_order(), written)
        lines += self._problems
        if os.environ.get("GITHUB_ACTIONS") == "true":
            lines += annotations(self._in_order(), self._places)
        encoding = getattr(terminalreporter._tw._file, "encoding", None)
        for line in lines:
            terminalreporter.write_line(encodable(line, encoding))

    def _full_lines(self, *, colour: bool) -> Iterable[str]:
        outcomes = self._in_order()
        if outcomes:
            width, verbose = terminal_width(), self._config.option.verbose > 0
            yield from table_lines(outcomes, width=width, colour=colour)
            yield from curve_lines(self._curves)
            if self._results:
                yield from printed_table(self._results)
            yield from self._notes()
            yield from sensitivity_lines(outcomes, width=width, verbose=verbose)
        for accepted in self._accepted:
            yield f"baseline {accepted.path}: {'; '.join(accepted.moved) or 'unchanged'}"
        yield from self._lines

    def _notes(self) -> Iterable[str]:
        for outcome in self._in_order():
            if outcome.passed and outcome.judgement is not None:
                for note in outcome.judgement["notes"]:
                    yield one_line(f"{outcome.case_id}: {note}")

    def _in_order(self) -> list[Outcome]:
        if not self._outcomes:
            return []  # nor may a session without cases load a profile
        order = {case.id: index for index, case in enumerate(self._settings.profile.cases)}
        return sorted(
            self._outcomes.values(), key=lambda outcome: order.get(outcome.case_id, len(order))
        )
