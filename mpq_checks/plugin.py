"""The pytest plugin: hooks only; what they do stands in mpq_checks.session."""

from collections.abc import Generator, Sequence
from typing import Any

import pytest

from mpq_checks.session.controller import GateController
from mpq_checks.session.items import FIXTURE, MARKER, arrange, parametrize, wants_cases
from mpq_checks.session.journals import JournalKeeper
from mpq_checks.session.options import add_options, profile_was_named, settings_of
from mpq_checks.session.progress import progress_sink
from mpq_checks.session.runner import RUNNER, CaseRunner, attach_outcome

__all__: list[str] = []


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the --mpq options."""
    add_options(parser)


def pytest_configure(config: pytest.Config) -> None:
    """Gather outcomes in the controller, not in a worker."""
    config.addinivalue_line(
        "markers", f"{MARKER}(kind=, task=, codec=): narrow the cases that {FIXTURE} runs over"
    )
    if profile_was_named(config):
        settings_of(config)  # a wrong option is told before anything else happens
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(GateController(config), "mpq_checks.controller")
        if config.option.mpq_resume is not None:
            config.pluginmanager.register(JournalKeeper(config), "mpq_checks.journals")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One run per case for tests that ask for one."""
    if FIXTURE in metafunc.fixturenames:
        parametrize(metafunc, settings_of(metafunc.config).profile)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(
    session: pytest.Session, config: pytest.Config, items: list[pytest.Item]
) -> None:
    """Cases of a task together, long tasks first."""
    if wants_cases(items):
        arrange(session, items, settings_of(config))


@pytest.fixture
def mpq_case(request: pytest.FixtureRequest) -> CaseRunner:
    """The case of this test; call its `check()`."""
    config = request.config
    runner = CaseRunner(request.param, settings_of(config), request.node, progress_sink(config))
    request.node.stash[RUNNER] = runner
    return runner


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Send the outcome with the report."""
    report = yield
    attach_outcome(item, report)
    return report


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> object | None:
    """In a gate, keep the cases of a task on one worker, unless the user chose a distribution."""
    if config.option.dist != "load" or not profile_was_named(config):
        return None
    from mpq_checks.session.scheduling import TaskScheduling

    config.option.loadscopereorder = False
    return TaskScheduling(config, log)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_setupnodes(config: pytest.Config, specs: Sequence[Any]) -> None:
    """In a gate, share the cores among the workers that are about to start."""
    if profile_was_named(config):
        from mpq_checks.session.scheduling import share_cores

        share_cores(len(specs))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int | None:
    """In a gate, no more workers than cores, memory or tasks allow."""
    if not profile_was_named(config):
        return None
    from mpq_checks.session.scheduling import num_workers

    profile = settings_of(config).profile
    return num_workers(len({case.task.name for case in profile.cases}))
