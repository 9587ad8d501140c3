"""The runner as a process: started once, asked many times, ended with this one."""

import atexit
import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from mpq_checks.codecs.tfci import runner as protocol
from mpq_checks.errors import CodecError, DecodingError, EncodingError
from mpq_checks.signals import Image

__all__ = ["RunnerProcess", "end_all", "running"]

START_SECONDS = 600.0
ANSWER_SECONDS = 600.0
_END_SECONDS = 5.0
_LOG_LINES = 40
_SHOWN_LINES = 6
_MAX_LINE_BYTES = 4096
_SCRIPT = Path(protocol.__file__)

# What the runner gets of the environment; nothing that changes how Python or TensorFlow work.
_PASSED = ("PATH", "SYSTEMROOT", "TEMP", "TMP", "TMPDIR", "LD_LIBRARY_PATH", "MPQ_TFCI_ALLOW_OPS")
_SET = {"TF_CPP_MIN_LOG_LEVEL": "1", "CUDA_VISIBLE_DEVICES": "-1"}


class RunnerProcess:
    """One runner with one metagraph; one request at a time, from any thread.

    Args:
        command: program and arguments, started without a shell.
        start_seconds: how long it may take until it is ready.
        answer_seconds: how long it may take over one image.

    Raises:
        CodecError: it cannot be started, refuses the metagraph, or is not ready in time.
    """

    def __init__(
        self,
        command: list[str],
        start_seconds: float = START_SECONDS,
        answer_seconds: float = ANSWER_SECONDS,
    ) -> None:
        self.process_id_of_owner = os.getpid()
        self._answer_seconds = answer_seconds
        self._lock = threading.Lock()
        self._overdue = False
        self._log: deque[str] = deque(maxlen=_LOG_LINES)
        environment = {name: os.environ[name] for name in _PASSED if name in os.environ}
        try:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=environment | _SET,
                start_new_session=True,  # Ctrl-C is for this process, which then ends the runner
            )
        except OSError as exc:
            raise CodecError(f"the tfci runner cannot be started: {exc}") from exc
        self._reader = threading.Thread(target=self._read_log, daemon=True)
        self._reader.start()
        try:
            kind, payload = self._exchange(None, start_seconds)
        except _RunnerError as exc:
            raise CodecError(f"the tfci runner cannot be started: {exc}") from exc
        if kind != protocol.READY:
            self.close()
            what = _text(payload) if kind == protocol.ERROR else f"a reply of the kind {kind!r}"
            raise CodecError(f"the tfci runner cannot be started: {what}")

    @property
    def pid(self) -> int:
        """The runner's process id."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether it can be asked."""
        return self._process.poll() is None and not self._process.stdin.closed  # type: ignore[union-attr]

    def encode(self, image: Image, codec: str) -> tuple[int, bytes]:
        """Checksum of the latents and the bit string. Raises EncodingError."""
        message = protocol.pack_image(image.height, image.width, image.pixels.tobytes())
        try:
            payload = self._ask(protocol.ENCODE, message, protocol.CODED)
            return protocol.unpack_checksum(payload)
        except (_RunnerError, protocol.ProtocolError) as exc:
            raise EncodingError(f"{codec}: {exc}") from exc

    def decode(self, data: bytes, codec: str) -> tuple[int, Image]:
        """Checksum of the latents and the image. Raises DecodingError."""
        try:
            payload = self._ask(protocol.DECODE, data, protocol.DECODED)
            checksum, rest = protocol.unpack_checksum(payload)
            height, width, pixels = protocol.unpack_image(rest)
        except (_RunnerError, protocol.ProtocolError) as exc:
            raise DecodingError(f"{codec}: {exc}") from exc
        return checksum, Image(np.frombuffer(pixels, np.uint8).reshape(height, width, 3).copy())

    def close(self) -> None:
        """End the process, kindly first."""
        if self.process_id_of_owner != os.getpid():
            return
        for stream in (self._process.stdin, self._process.stdout):
            with contextlib.suppress(OSError):
                stream.close()  # type: ignore[union-attr]
        try:
            self._process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            self._kill()
            self._process.wait()
        self._reader.join(_END_SECONDS)
        if not self._reader.is_alive():
            self._process.stderr.close()  # type: ignore[union-attr]

    def _ask(self, kind: bytes, message: bytes, expected: bytes) -> bytes:
        with self._lock:
            found, payload = self._exchange((kind, message), self._answer_seconds)
            if found == protocol.ERROR:
                raise _RunnerError(_text(payload) + self._logged())
            if found != expected:
                self.close()
                raise _RunnerError(f"the runner sent a reply of the kind {found!r}")
            return payload

    def _exchange(self, request: tuple[bytes, bytes] | None, seconds: float) -> tuple[bytes, bytes]:
        """Send and receive. Whatever goes wrong ends the process, which then is out of step."""
        # Killing the process ends a write to it and a read from it alike.
        timer = threading.Timer(seconds, self._give_up)
        timer.daemon = True
        timer.start()
        reason = "the runner ended"
        reply = None
        try:
            if request is not None:
                protocol.write_message(self._process.stdin, *request)  # type: ignore[arg-type]
            reply = protocol.read_message(self._process.stdout)  # type: ignore[arg-type]
        except protocol.ProtocolError as exc:
            reason = f"the runner sent {exc}"
        except (OSError, ValueError) as exc:
            reason = f"the runner ended ({exc})"
        finally:
            timer.cancel()
            if reply is None:
                self._kill()
                self.close()
        if self._overdue:
            raise _RunnerError(f"the runner gave no answer in {seconds:g} s and was ended")
        if reply is None:
            status = self._process.returncode
            raise _RunnerError(f"{reason}, exit status {status}{self._logged()}")
        return reply

    def _give_up(self) -> None:
        self._overdue = True
        self._kill()

    def _kill(self) -> None:
        with contextlib.suppress(OSError):
            if sys.platform == "win32":
                self._process.kill()
            elif self._process.poll() is None:
                os.killpg(self._process.pid, signal.SIGKILL)

    def _read_log(self) -> None:
        stream = self._process.stderr
        with contextlib.suppress(OSError, ValueError):
            while line := stream.readline(_MAX_LINE_BYTES):  # type: ignore[union-attr]
                self._log.append(_text(line).strip())

    def _logged(self) -> str:
        if not self.alive:
            self._reader.join(_END_SECONDS)
        lines = [line for line in self._log if line][-_SHOWN_LINES:]
        return f"; its log ends: {' | '.join(lines)}" if lines else ""


class _RunnerError(Exception):
    """The runner failed; it becomes the error of what was asked of it."""


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace")


_lock = threading.RLock()
_current: dict[tuple[Path, Path, int], RunnerProcess] = {}


@contextmanager
def running(python: Path, metagraph: Path) -> Iterator[RunnerProcess]:
    """The runner of a metagraph, started unless it runs; that of another is ended first.

    One at a time bounds the memory: a runner of HiFiC takes 2 GB. Held by one thread at a time.

    Raises:
        CodecError: it cannot be started.
    """
    with _lock:
        key = (python, metagraph, metagraph.stat().st_mtime_ns)
        for other, process in list(_current.items()):
            mine = process.process_id_of_owner == os.getpid()
            if other != key or not mine or not process.alive:
                del _current[other]
                process.close()
        if key not in _current:
            command = [str(python), "-I", "-B", str(_SCRIPT), str(metagraph)]
            _current[key] = RunnerProcess(command)
        yield _current[key]


def end_all() -> None:
    """End what runs; the next image starts it again."""
    with _lock:
        for process in _current.values():
            process.close()
        _current.clear()


atexit.register(end_all)
