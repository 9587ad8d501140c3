"""The official HiFiC: protocol and process with a fake runner, the rest with real TensorFlow.

Tests marked `tfci` need an environment with tensorflow-compression. They run where MPQ_TFCI_PYTHON
names its Python; CI has none (1.3 GB).
"""

import contextlib
import io
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import psutil
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mpq_checks.assets.storage import cache_dir
from mpq_checks.assets.unpinned import unpinned_sha256
from mpq_checks.cli import main
from mpq_checks.codecs import tfci
from mpq_checks.codecs.stream import pack, unpack
from mpq_checks.codecs.tfci import environment, hific, process, runner
from mpq_checks.codecs.tfci.process import RunnerProcess
from mpq_checks.errors import (
    AssetMissingError,
    CodecError,
    CodecSettingError,
    DecodingError,
    EncodingError,
    SignalError,
)
from mpq_checks.signals import Audio, Image

FAKE = Path(__file__).with_name("fake_tfci_runner.py")
EXPORT = Path(__file__).parent.parent / "training" / "export_small_metagraph.py"
REAL_PYTHON = os.environ.get(environment.VARIABLE)
NO_TENSORFLOW = (
    f"needs tensorflow-compression: name the Python of its environment in {environment.VARIABLE} "
    f"(`{environment.VARIABLE}=$(mpq setup-tfci) pytest ...`)"
)


def image(height: int, width: int, seed: int = 0) -> Image:
    y, x = np.mgrid[:height, :width]
    waves = [127 + 90 * np.sin(x / (9 + seed) + y / 20), 127 + 90 * np.cos(y / 17), (x + y) % 255]
    noise = np.random.default_rng(seed).normal(0, 4, (height, width, 3))
    return Image(np.clip(np.stack(waves, axis=-1) + noise, 0, 255).astype(np.uint8))


def fake(behaviour: str, start: float = 20.0, answer: float = 20.0) -> RunnerProcess:
    command = [sys.executable, "-I", str(FAKE), str(Path(runner.__file__)), behaviour]
    return RunnerProcess(command, start, answer)


@pytest.fixture
def started() -> Iterator[Callable[..., RunnerProcess]]:
    """Starts fake runners, and ends them after the test."""
    processes = []

    def start(behaviour: str, **seconds: float) -> RunnerProcess:
        processes.append(fake(behaviour, **seconds))
        return processes[-1]

    yield start
    for one in processes:
        one.close()


@pytest.fixture
def faked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The codec with a runner that codes an image as its bytes; gives the metagraph's path."""
    metagraph = tmp_path / "hific-lo.metagraph"
    metagraph.write_bytes(b"graph")
    monkeypatch.setenv("MPQ_WEIGHTS_DIR", str(tmp_path))
    monkeypatch.setenv(environment.VARIABLE, sys.executable)
    real = RunnerProcess
    monkeypatch.setattr(
        process,
        "RunnerProcess",
        lambda command: real([*command[:2], str(FAKE), str(Path(runner.__file__)), "works"]),
    )
    yield metagraph
    process.end_all()


# The protocol


@given(kind=st.binary(min_size=1, max_size=1), payload=st.binary(max_size=200))
def test_messages_survive(kind: bytes, payload: bytes) -> None:
    stream = io.BytesIO()
    runner.write_message(stream, kind, payload)
    stream.seek(0)
    assert runner.read_message(stream) == (kind, payload)
    assert runner.read_message(stream) is None


@given(data=st.binary(min_size=1, max_size=60))
def test_garbage_is_a_protocol_error(data: bytes) -> None:
    with contextlib.suppress(runner.ProtocolError):
        assert runner.read_message(io.BytesIO(data))[0] == data[4:5]  # type: ignore[index]
        assert data.startswith(b"tfci")


def test_a_message_cut_short_is_a_protocol_error() -> None:
    stream = io.BytesIO()
    runner.write_message(stream, b"e", b"12345")
    for length in range(1, len(stream.getvalue())):
        with pytest.raises(runner.ProtocolError):
            runner.read_message(io.BytesIO(stream.getvalue()[:length]))


@pytest.mark.parametrize("size", [(0, 5), (2**31, 2**31), (2, 3)])
def test_images_that_do_not_fit_their_size_are_refused(size: tuple[int, int]) -> None:
    with pytest.raises(runner.ProtocolError):
        runner.unpack_image(runner.pack_image(*size, b"12345"))


@pytest.mark.parametrize(
    "operation",
    ["ReadFile", "WriteFile", "MatchingFiles", "ImmutableConst", "PyFunc", "PyFuncStateless",
     "EagerPyFunc", "RestoreV2", "SaveV2", "LoadDataset", "PrintV2", "Send", "RpcCall",
     "InitializeTableFromTextFileV2", "DecodeProtoV2", "WholeFileReaderV2", "VarHandleOp"],
)  # fmt: skip
@pytest.mark.parametrize("inside_function", [False, True])
def test_operations_that_do_more_than_compute_are_refused(
    operation: str, inside_function: bool
) -> None:
    nodes = [SimpleNamespace(op="Conv2D"), SimpleNamespace(op=operation)]
    function = SimpleNamespace(
        node_def=nodes if inside_function else [], signature=SimpleNamespace(name="f")
    )
    graph = SimpleNamespace(
        node=[SimpleNamespace(op="f")] if inside_function else nodes,
        library=SimpleNamespace(function=[function]),
    )
    with pytest.raises(ValueError, match=f"{operation}.*MPQ_TFCI_ALLOW_OPS"):
        runner.require_allowed(graph, runner.ALLOWED_OPERATIONS)
    runner.require_allowed(graph, runner.ALLOWED_OPERATIONS | {operation})


def test_the_runner_imports_nothing_of_this_project() -> None:
    source = (
        f"import runpy, sys; runpy.run_path({runner.__file__!r})\n"
        "print([m for m in sys.modules if m.startswith(('mpq', 'numpy', 'tensor'))])"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", source], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


# The process


def test_one_process_serves_many_images(started: Callable[..., RunnerProcess]) -> None:
    one = started("works")
    for seed in range(3):
        picture = image(20 + seed, 30, seed)
        checksum, data = one.encode(picture, "c")
        assert checksum == 7
        again, decoded = one.decode(data, "c")
        assert again == 7
        assert np.array_equal(decoded.pixels, picture.pixels)
    assert one.alive


def test_threads_take_turns(started: Callable[..., RunnerProcess]) -> None:
    one = started("works")
    pictures = [image(40, 50, seed) for seed in range(8)]
    decoded: dict[int, Image] = {}

    def code(index: int) -> None:
        decoded[index] = one.decode(one.encode(pictures[index], "c")[1], "c")[1]

    threads = [threading.Thread(target=code, args=(index,)) for index in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for index, picture in enumerate(pictures):
        assert np.array_equal(decoded[index].pixels, picture.pixels)


def test_a_runner_that_dies_is_an_error_with_its_log(started: Callable[..., RunnerProcess]) -> None:
    one = started("dies")
    with pytest.raises(EncodingError, match=r"c: .*exit status 3.*out of memory"):
        one.encode(image(8, 8), "c")
    assert not one.alive
    with pytest.raises(DecodingError, match="ended"):
        one.decode(b"abc", "c")


@pytest.mark.parametrize("seconds", [0.5])
def test_a_runner_that_hangs_is_ended(
    started: Callable[..., RunnerProcess], seconds: float
) -> None:
    one = started("hangs", answer=seconds)
    begun = time.monotonic()
    with pytest.raises(DecodingError, match=r"no answer in 0\.5 s"):
        one.decode(b"abc", "c")
    assert time.monotonic() - begun < 10
    assert not one.alive


def test_a_runner_that_does_not_read_is_ended() -> None:
    command = [sys.executable, "-I", "-c", "import sys, time; sys.stdout.buffer.write("
               "b'tfciR\\0\\0\\0\\0'); sys.stdout.flush(); time.sleep(600)"]  # fmt: skip
    one = RunnerProcess(command, 20.0, 0.5)
    with pytest.raises(EncodingError, match="no answer"):
        one.encode(image(700, 700), "c")
    one.close()


@pytest.mark.parametrize(
    ("behaviour", "message"),
    [
        ("garbage", "begins with"),
        ("huge", "at most"),
        ("short", "3 of the 16 bytes"),
        ("wrong-kind", "kind"),
        ("empty", "reply of 0 bytes"),
    ],
)
def test_garbage_replies_are_errors(
    started: Callable[..., RunnerProcess], behaviour: str, message: str
) -> None:
    with pytest.raises(EncodingError, match=message):
        started(behaviour).encode(image(8, 8), "c")


def test_an_error_of_the_graph_leaves_the_runner_alive(
    started: Callable[..., RunnerProcess],
) -> None:
    one = started("error")
    for _ in range(2):
        with pytest.raises(EncodingError, match=r"InvalidArgumentError.*the graph is old"):
            one.encode(image(8, 8), "c")
        assert one.alive


def test_a_long_log_blocks_nothing(started: Callable[..., RunnerProcess]) -> None:
    one = started("chatters")
    for _ in range(2):
        one.encode(image(8, 8), "c")


@pytest.mark.parametrize(
    ("behaviour", "message"),
    [("refuses", "ReadFile"), ("dies-at-once", "No module named 'tensorflow'")],
)
def test_a_runner_that_does_not_start(behaviour: str, message: str) -> None:
    with pytest.raises(CodecError, match=f"cannot be started.*{message}"):
        fake(behaviour)


def test_a_runner_that_is_never_ready_is_ended() -> None:
    with pytest.raises(CodecError, match="no answer"):
        fake("never-ready", start=0.5)


def test_a_program_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(CodecError, match="cannot be started"):
        RunnerProcess([str(tmp_path / "python")])


def test_the_runner_ends_with_its_parent() -> None:
    """Killed without a chance to clean up, while the runner computes."""
    watch = (
        "import importlib.util, os, threading, time\n"
        f"spec = importlib.util.spec_from_file_location('runner', {runner.__file__!r})\n"
        "module = importlib.util.module_from_spec(spec)\nspec.loader.exec_module(module)\n"
        "threading.Thread(target=module._end_with_parent, args=(os.getppid(),)).start()\n"
        "print(os.getpid(), flush=True)\ntime.sleep(600)\n"
    )
    parent = subprocess.Popen(
        [
            sys.executable,
            "-c",
            f"import subprocess, sys\nsubprocess.run([sys.executable, '-I', '-c', {watch!r}])",
        ],
        stdout=subprocess.PIPE,
    )
    assert parent.stdout is not None
    child = psutil.Process(int(parent.stdout.readline()))
    parent.kill()
    parent.wait()
    parent.stdout.close()
    child.wait(10)


# The codec


def test_coding_with_the_fake_runner(faked: Path) -> None:
    for height, width in ((1, 1), (16, 16), (64, 64), (63, 200), (200, 17)):
        picture = image(height, width)
        data = tfci.encode("lo", picture)
        assert np.array_equal(tfci.decode("lo", data).pixels, picture.pixels)
    assert len(process._current) == 1


def test_another_metagraph_ends_the_runner_of_the_first(faked: Path) -> None:
    data = tfci.encode("lo", image(64, 64))
    (first,) = process._current.values()
    faked.with_name("hific-mi.metagraph").write_bytes(b"another")
    assert tfci.encode("mi", image(64, 64))[6:] == data[6:]
    assert not first.alive
    assert len(process._current) == 1


def test_a_dead_runner_is_replaced(faked: Path) -> None:
    data = tfci.encode("lo", image(64, 64))
    (first,) = process._current.values()
    psutil.Process(first.pid).kill()
    with pytest.raises(DecodingError):
        first.decode(b"x", "c")
    assert tfci.decode("lo", data).height == 64


@settings(max_examples=30, deadline=None)
@given(position=st.integers(0, 10**6), bit=st.integers(0, 7))
def test_damage_is_refused_before_the_runner_sees_it(position: int, bit: int) -> None:
    data = bytearray(pack(b"HL", (64, 64, 7), b"x" * 50))
    data[position % len(data)] ^= 1 << bit
    with pytest.raises(DecodingError, match="hific-lo"):
        tfci.decode("lo", bytes(data))


def test_truncation_and_foreign_streams_are_refused() -> None:
    data = pack(b"HL", (64, 64, 7), b"x" * 50)
    for length in range(len(data)):
        with pytest.raises(DecodingError):
            tfci.decode("lo", data[:length])
    for quality in ("mi", "hi"):
        with pytest.raises(DecodingError):
            tfci.decode(quality, data)


@pytest.mark.parametrize("size", [(0, 5), (2**40, 2**40), (2**25, 1)])
def test_sizes_that_cannot_be_are_refused(size: tuple[int, int]) -> None:
    with pytest.raises(DecodingError, match="header"):
        tfci.decode("lo", pack(b"HL", (*size, 7), b"x"))


def test_other_latents_than_encoded_are_refused(faked: Path) -> None:
    (height, width, _), payload = unpack(b"HL", 3, tfci.encode("lo", image(64, 70)), "c")
    with pytest.raises(DecodingError, match="latents"):
        tfci.decode("lo", pack(b"HL", (height, width, 8), payload))
    with pytest.raises(DecodingError, match="header"):
        tfci.decode("lo", pack(b"HL", (height, width + 1, 7), payload))


def test_what_is_not_an_image_or_not_a_quality() -> None:
    with pytest.raises(SignalError):
        tfci.encode("lo", Audio(np.zeros((1, 10), np.float32), 16_000))  # type: ignore[arg-type]
    with pytest.raises(CodecSettingError, match="lo, mi, hi"):
        tfci.encode("best", image(8, 8))  # type: ignore[arg-type]
    huge = Image(np.broadcast_to(np.uint8(0), (2**13, 2**13, 3)))
    with pytest.raises(EncodingError, match="pixels"):
        tfci.encode("lo", huge)


def test_identity_tells_the_metagraph(faked: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hific, "versions", lambda python: "tensorflow-compression 2.14.1")
    identity = tfci.identity("lo")
    assert identity["metagraph_sha256"] == unpinned_sha256(tfci.METAGRAPHS["lo"])
    assert identity["library"] == "tensorflow-compression 2.14.1"


def test_without_a_metagraph(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(environment.VARIABLE, sys.executable)
    monkeypatch.setenv("MPQ_CACHE_DIR", str(tmp_path))
    monkeypatch.delenv("MPQ_WEIGHTS_DIR", raising=False)
    with pytest.raises(AssetMissingError, match=r"MPQ_WEIGHTS_DIR.*mpq fetch-official hific-lo"):
        tfci.encode("lo", image(8, 8))


# The environment


@pytest.fixture
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MPQ_CACHE_DIR", str(tmp_path))
    monkeypatch.delenv(environment.VARIABLE, raising=False)
    return tmp_path


def test_without_an_environment(empty_cache: Path) -> None:
    with pytest.raises(CodecError, match=r"is not there.*`mpq setup-tfci`.*MPQ_TFCI_PYTHON"):
        tfci.encode("lo", image(8, 8))


def test_an_environment_of_other_versions_is_not_used(empty_cache: Path) -> None:
    folder = cache_dir() / "tfci-venv"
    folder.mkdir()
    (folder / "mpq-ready.txt").write_text("older")
    with pytest.raises(CodecError, match="other versions"):
        environment.interpreter()


def test_an_interpreter_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(environment.VARIABLE, "/no/such/python")
    with pytest.raises(CodecError, match=r"MPQ_TFCI_PYTHON is '/no/such/python'"):
        environment.interpreter()


def test_an_interpreter_without_the_package() -> None:
    with pytest.raises(CodecError, match=r"PackageNotFoundError.*mpq setup-tfci"):
        environment.versions(Path(sys.executable))


def test_setting_up_runs_pip_with_pinned_versions(
    empty_cache: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    commands: list[list[str]] = []

    def run(command: list[str], failure: str, seconds: float) -> str:
        commands.append(command)
        if "venv" in command:
            Path(command[-1]).mkdir()
        return "3 11"

    monkeypatch.setattr(environment, "_run", run)
    assert main(["setup-tfci", "--python", sys.executable]) == 0
    python = environment.interpreter()
    assert python.is_relative_to(empty_cache)
    assert capsys.readouterr().out.strip() == str(python)
    (install,) = (command for command in commands if "pip" in command)
    assert "--no-deps" in install
    assert all("==" in requirement for requirement in install[-len(environment.REQUIREMENTS) :])
    count = len(commands)
    environment.set_up(sys.executable)
    assert not [command for command in commands[count:] if "pip" in command]


def test_setting_up_that_fails_leaves_nothing_usable(
    empty_cache: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(command: list[str], failure: str, seconds: float) -> str:
        if "pip" in command:
            raise CodecError("pip could not install")
        if "venv" in command:
            Path(command[-1]).mkdir()
        return "3 11"

    monkeypatch.setattr(environment, "_run", fail)
    assert main(["setup-tfci", "--python", sys.executable]) == 1
    assert "pip could not install" in capsys.readouterr().err
    with pytest.raises(CodecError, match="is not there"):
        environment.interpreter()


def test_setting_up_with_a_python_that_has_no_wheels(
    empty_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(environment, "_run", lambda command, failure, seconds: "3 13")
    with pytest.raises(CodecError, match=r"is Python 3\.13.*3\.10 and 3\.11"):
        environment.set_up(sys.executable)


def test_setting_up_offline(empty_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MPQ_OFFLINE", "1")
    monkeypatch.setattr(environment, "_run", lambda command, failure, seconds: "3 11")
    with pytest.raises(CodecError, match="downloads are off"):
        environment.set_up(sys.executable)


# With TensorFlow


@pytest.fixture(scope="session")
def metagraph_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a metagraph that tensorflow-compression trained and wrote just now."""
    folder = tmp_path_factory.mktemp("metagraph")
    command = [str(REAL_PYTHON), "-I", str(EXPORT), str(folder / "hific-lo.metagraph")]
    subprocess.run(command, check=True, capture_output=True)
    return folder


@pytest.fixture
def real(metagraph_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("MPQ_WEIGHTS_DIR", str(metagraph_folder))
    yield metagraph_folder
    process.end_all()


needs_tensorflow = [
    pytest.mark.tfci,
    pytest.mark.skipif(REAL_PYTHON is None, reason=NO_TENSORFLOW),
]


class TestTensorFlow:
    pytestmark = needs_tensorflow

    def test_real_bit_streams(self, real: Path) -> None:
        sizes = [(16, 16), (64, 64), (65, 129), (200, 301), (17, 260)]
        streams = {}
        for seed, (height, width) in enumerate(sizes):
            picture = image(height, width, seed)
            data = streams[height, width] = tfci.encode("lo", picture)
            decoded = tfci.decode("lo", data)
            assert decoded.pixels.shape == picture.pixels.shape
            assert decoded.pixels.std() > 5
            assert tfci.encode("lo", picture) == data
            (_, _, checksum), payload = unpack(b"HL", 3, data, "c")
            assert checksum != runner.NO_CHECKSUM
            assert len(payload) < 3 * height * width / 4 + 200
        assert len(set(streams.values())) == len(sizes)
        assert tfci.encode("lo", image(64, 64, 5)) != tfci.encode("lo", image(64, 64, 6))
        assert len(process._current) == 1

    def test_another_process_decodes(self, real: Path) -> None:
        picture = image(90, 100)
        data = tfci.encode("lo", picture)
        here = tfci.decode("lo", data)
        process.end_all()
        assert np.array_equal(tfci.decode("lo", data).pixels, here.pixels)
        assert tfci.encode("lo", picture) == data

    def test_the_payload_is_what_tfci_packs(self, real: Path, tmp_path: Path) -> None:
        """An independent reading of it, as tfci.py does it, by TensorFlow in another process."""
        data = tfci.encode("lo", image(80, 96))
        here = tfci.decode("lo", data)
        _, payload = unpack(b"HL", 3, data, "c")
        (tmp_path / "payload").write_bytes(payload)
        source = (
            "import sys, tensorflow as tf, tensorflow_compression as tfc\n"
            "m = tf.compat.v1.MetaGraphDef()\n"
            "m.ParseFromString(open(sys.argv[1], 'rb').read())\n"
            "w = tf.compat.v1.wrap_function("
            "lambda: tf.compat.v1.train.import_meta_graph(m), [])\n"
            "s = m.signature_def['receiver']\n"
            "get = lambda d: [w.graph.as_graph_element(d[k].name) for k in sorted(d)]\n"
            "f = w.prune(get(s.inputs), get(s.outputs))\n"
            "p = tfc.PackedTensors(open(sys.argv[2], 'rb').read())\n"
            "i, = f(*p.unpack([t.dtype for t in f.inputs]))\n"
            "sys.stdout.buffer.write(i.numpy().tobytes())\n"
        )
        files = [str(real / "hific-lo.metagraph"), str(tmp_path / "payload")]
        done = subprocess.run(
            [str(REAL_PYTHON), "-I", "-c", source, *files], capture_output=True, check=True
        )
        theirs = np.frombuffer(done.stdout, np.uint8).reshape(here.pixels.shape)
        assert np.abs(theirs.astype(int) - here.pixels).max() <= 1

    def test_latents_that_differ_are_noticed(self, real: Path) -> None:
        (height, width, checksum), payload = unpack(b"HL", 3, tfci.encode("lo", image(64, 64)), "c")
        with pytest.raises(DecodingError, match="latents"):
            tfci.decode("lo", pack(b"HL", (height, width, checksum ^ 1), payload))

    def test_forged_payloads_are_decoding_errors(self, real: Path) -> None:
        header, payload = unpack(b"HL", 3, tfci.encode("lo", image(64, 64)), "c")
        for forged in (b"", b"\x00" * 40, payload[:20], payload[:-9] + b"\xff" * 9):
            with pytest.raises(DecodingError, match="hific-lo"):
                tfci.decode("lo", pack(b"HL", header, forged))
        assert tfci.decode("lo", pack(b"HL", header, payload)).height == 64

    @pytest.mark.parametrize(
        ("content", "message"),
        [(b"not a graph", "DecodeError"), (b"", "signature"), (None, "ReadFile")],
    )
    def test_foreign_metagraphs_are_refused(
        self, content: bytes | None, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path = tmp_path / "hific-lo.metagraph"
        if content is None:
            source = (
                "import sys, tensorflow as tf\n"
                "with tf.Graph().as_default():\n"
                "    tf.io.read_file('/etc/hostname')\n"
                "    m = tf.compat.v1.train.export_meta_graph()\n"
                "open(sys.argv[1], 'wb').write(m.SerializeToString())\n"
            )
            command = [str(REAL_PYTHON), "-I", "-c", source, str(path)]
            subprocess.run(command, check=True, capture_output=True)
        else:
            path.write_bytes(content)
        monkeypatch.setenv("MPQ_WEIGHTS_DIR", str(tmp_path))
        with pytest.raises(CodecError, match=message):
            tfci.encode("lo", image(64, 64))

    def test_identity(self, real: Path) -> None:
        assert tfci.identity("lo")["library"].startswith(
            "tensorflow-compression 2.14.1, tensorflow"
        )
