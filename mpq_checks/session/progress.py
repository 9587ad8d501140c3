"""Show how far long cases are: in place on a terminal, a line now and then elsewhere."""

import contextlib
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

__all__ = ["WORKER_FOLDER", "ProgressLine", "ProgressWatcher", "progress_line", "progress_sink"]

WORKER_FOLDER = "mpq_progress_folder"
"""Key of `workerinput` under which a worker finds the folder for its progress."""

_TERMINAL_SECONDS = 0.5
_LOG_SECONDS = 30.0


class ProgressLine:
    """Writes one line of progress: over the last one on a terminal, else every half minute."""

    def __init__(self, *, in_place: bool) -> None:
        self._in_place = in_place
        self._seconds = _TERMINAL_SECONDS if in_place else _LOG_SECONDS
        self._last = time.monotonic()

    def due(self) -> bool:
        """Whether it is time for the next line."""
        return time.monotonic() - self._last >= self._seconds

    def show(self, text: str) -> None:
        """Write the line on standard error."""
        self._last = time.monotonic()
        sys.stderr.write(f"\r\x1b[2K{text[:100]}\r" if self._in_place else f"\n  {text}\n")
        sys.stderr.flush()


def progress_line(config: pytest.Config) -> ProgressLine:
    """A line of progress that suits where pytest's own output goes."""
    reporter = config.pluginmanager.getplugin("terminalreporter")
    return ProgressLine(in_place=reporter is not None and reporter.isatty)


def progress_sink(config: pytest.Config) -> Callable[[str], None]:
    """Where a process shows its state: a worker in a file, else straight on standard error."""
    workerinput = getattr(config, "workerinput", None)
    if workerinput is not None:
        return _file_sink(Path(workerinput[WORKER_FOLDER], workerinput["workerid"]))
    return _line_sink(config)


def _file_sink(path: Path) -> Callable[[str], None]:
    def write(text: str) -> None:
        # Progress is a courtesy: a failure here never fails a case.
        with contextlib.suppress(OSError):
            path.write_text(text, encoding="utf-8")

    return write


def _line_sink(config: pytest.Config) -> Callable[[str], None]:
    line = progress_line(config)
    capture = config.pluginmanager.getplugin("capturemanager")

    def write(text: str) -> None:
        if text and line.due():
            with capture.global_and_fixture_disabled():
                line.show(text)

    return write


class ProgressWatcher:
    """The controller's side: a thread that shows what the workers last wrote."""

    def __init__(self, folder: Path, line: ProgressLine) -> None:
        self._folder = folder
        self._line = line
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="mpq-progress", daemon=True)

    def start(self) -> None:
        """Begin to watch."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread."""
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        shown = ""
        while not self._stop.wait(_TERMINAL_SECONDS):
            if not self._line.due():
                continue
            text = " | ".join(_states(self._folder))
            if text != shown:
                self._line.show(text)
                shown = text


def _states(folder: Path) -> list[str]:
    states = []
    with contextlib.suppress(OSError):
        for path in sorted(folder.iterdir()):
            states.append(path.read_text(encoding="utf-8"))  # noqa: PERF401  (partial on failure)
    return [state for state in states if state]
