"""Fixtures for the framework's own tests."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

pytest_plugins = ["pytester"]

_SUITE = "def test_gate(mpq_case):\n    mpq_case.check()\n"


@pytest.fixture
def gate(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Callable[..., pytest.RunResult]:
    """Runs a suite over the toy profile in a process of its own.

    `change` is Python source that may rebind `profile`; further arguments go to pytest.
    """
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))
    pytester.makepyfile(test_suite=_SUITE)
    pytester.makeini("[pytest]\nmpq_profile = my_gate:profile\n")

    def run(*arguments: str, change: str = "", workers: int = 0) -> pytest.RunResult:
        pytester.makepyfile(my_gate=f"from toy_gate import *\n{change}\n")
        return pytester.runpytest_subprocess("-n", str(workers), "--mpq-device", "cpu", *arguments)

    sys.dont_write_bytecode = True
    return run
