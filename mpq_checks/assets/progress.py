"""Showing how far downloads are."""

from types import TracebackType
from typing import Any, Protocol

__all__ = ["NoProgress", "Progress", "RichProgress"]


class Progress(Protocol):
    """What a download reports to; calls come from one thread, one file at a time."""

    def start(self, label: str, num_bytes: int) -> None:
        """A file of this size begins; after a failed source the next one begins anew."""

    def advance(self, num_bytes: int) -> None:
        """So many more bytes arrived."""

    def finish(self, label: str) -> None:
        """The file is whole."""


class NoProgress:
    """Says nothing."""

    def start(self, label: str, num_bytes: int) -> None:
        """Nothing."""

    def advance(self, num_bytes: int) -> None:
        """Nothing."""

    def finish(self, label: str) -> None:
        """Nothing."""


class RichProgress:
    """A bar on standard error; one line a file where that is no terminal.

    Use it as a context manager.
    """

    # Any: rich is imported when first used.
    _bar: Any

    def __init__(self) -> None:
        """Prepare the bar; nothing is shown yet."""
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            DownloadColumn,
            Progress,
            TextColumn,
            TimeRemainingColumn,
            TransferSpeedColumn,
        )

        self._console = Console(stderr=True)
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            DownloadColumn(),
            TransferSpeedColumn(),
            TimeRemainingColumn(),
            console=self._console,
            disable=not self._console.is_terminal,
        )
        self._task: Any = None
        self._num_bytes = 0

    def __enter__(self) -> "RichProgress":
        """Show the bar."""
        self._bar.start()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Leave the bar as it is."""
        self._bar.stop()

    def start(self, label: str, num_bytes: int) -> None:
        """Begin a bar."""
        if self._task is not None:
            self._bar.remove_task(self._task)
        self._num_bytes = num_bytes
        self._task = self._bar.add_task(label, total=num_bytes)

    def advance(self, num_bytes: int) -> None:
        """Move the bar."""
        self._bar.advance(self._task, num_bytes)

    def finish(self, label: str) -> None:
        """Complete the bar, or write the line."""
        self._bar.update(self._task, completed=self._num_bytes)
        self._task = None
        if not self._console.is_terminal:
            self._console.print(
                f"fetched {label} ({self._num_bytes / 1e6:.1f} MB)", highlight=False
            )
