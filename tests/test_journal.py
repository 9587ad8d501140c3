"""What a case measured, kept on disk: reused where nothing changed, and never otherwise."""

import json
import resource
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock
from toy_gate import ToyDataset, ToyTask, make_profile

from mpq_checks.codecs import Jpeg
from mpq_checks.datasets.base import Sample
from mpq_checks.errors import MeasurementError
from mpq_checks.evidence import Evidence
from mpq_checks.gate import GateSettings, run_case
from mpq_checks.journal import Journal, case_folder, conditions_of
from mpq_checks.measure import STAGES, measure
from mpq_checks.profiles import Case, Profile
from mpq_checks.profiles.base import Counting


@dataclass(frozen=True)
class CountingJpeg(Jpeg):
    """Notes its calls; breaks at one of them."""

    calls: list[Any] = field(default_factory=list, compare=False)
    breaks_at: int | None = field(default=None, compare=False)

    def encode(self, signal: Any) -> bytes:
        self.calls.append(signal)
        if len(self.calls) == self.breaks_at:
            raise RuntimeError("the power went")
        return super().encode(signal)


def toy_case(codec: Any = None, **changes: Any) -> Case:
    task: Any = replace(ToyTask(), **changes)
    return replace(make_profile().cases[1], codec=codec or Jpeg(50), task=task)


def measured(folder: Path, case: Case, ids: Any = None) -> tuple[Evidence, int]:
    """The evidence, and how many of its rows were there before."""
    journal = Journal(case_folder(folder, "toy", case.id))
    return measure(case, ids, journal=journal), journal.num_reused


def half_measured(folder: Path) -> None:
    """Five of eight samples, and an end that nobody wanted."""
    with pytest.raises(MeasurementError, match="square-5, encode: RuntimeError: the power went"):
        measured(folder, toy_case(CountingJpeg(50, breaks_at=6)))


def journal_file(folder: Path) -> Path:
    (path,) = folder.rglob("*.jsonl")
    return path


def test_a_resumed_run_gives_the_same_and_measures_only_the_rest(tmp_path: Path) -> None:
    half_measured(tmp_path)
    codec, seen = CountingJpeg(50), []
    journal = Journal(case_folder(tmp_path, "toy", "toy/jpeg-q50"))
    case = toy_case(codec)
    resumed = measure(case, journal=journal, progress=lambda *state: seen.append(state))
    assert len(codec.calls) == 3
    assert journal.num_reused == 5
    assert seen == [(count, 8) for count in range(1, 9)]
    whole = measure(case)
    assert replace(resumed, seconds={}) == replace(whole, seconds={})
    assert tuple(resumed.seconds) == STAGES


def test_rows_come_back_as_they_were(tmp_path: Path) -> None:
    """Lossless cases have infinite values."""
    case = make_profile().cases[0]
    first, _ = measured(tmp_path, case)
    again, reused = measured(tmp_path, case)
    assert reused == 8
    assert first.rows == again.rows
    assert first.rows[0].psnr_db == float("inf")


def test_a_part_of_the_samples_can_be_the_beginning_of_all(tmp_path: Path) -> None:
    ids = ToyDataset().sample_ids()
    measured(tmp_path, toy_case(), ids[:3])
    evidence, reused = measured(tmp_path, toy_case(), ids[::-1])
    assert reused == 3
    assert [row.sample_id for row in evidence.rows] == list(ids[::-1])


@dataclass(frozen=True)
class Clustered(ToyDataset):
    """Same name and contents, but with clusters."""

    def load(self, sample_id: str) -> Sample[int]:
        return replace(super().load(sample_id), cluster="all")


@dataclass(frozen=True)
class Relabelled(ToyDataset):
    """One sample has other contents."""

    changed: str = field(default="", compare=False)

    def load(self, sample_id: str) -> Sample[int]:
        salt = 1 if sample_id == self.changed else 0
        return ToyDataset(salt=salt).load(sample_id)


@pytest.mark.parametrize(
    ("case", "reused"),
    [
        (toy_case(), 8),
        (toy_case(CountingJpeg(50)), 0),  # the code of the codec is in another file
        (replace(toy_case(Jpeg(49)), codec=Jpeg(49)), 0),
        (toy_case(gain=0.03), 0),
        (toy_case(dataset=ToyDataset(salt=1)), 0),
        (toy_case(dataset=ToyDataset(name="others")), 0),
    ],
)
def test_what_changed_is_measured_anew(tmp_path: Path, case: Case, reused: int) -> None:
    folder = tmp_path / "toy" / "toy" / "jpeg-q50"
    measure(toy_case(), journal=Journal(folder))
    journal = Journal(folder)
    evidence = measure(case, journal=journal)
    assert journal.num_reused == reused
    assert evidence.rows == measure(case).rows


@pytest.mark.parametrize(
    ("before", "after", "reused"),
    [
        (Relabelled(), Relabelled(changed="square-4"), 7),
        (Relabelled(changed="square-4"), Relabelled(), 7),
        (Clustered(), Clustered(), 8),
    ],
)
def test_a_sample_of_other_content_is_measured_anew(
    tmp_path: Path,
    before: ToyDataset,
    after: ToyDataset,
    reused: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    forget_samples(monkeypatch)
    measured(tmp_path, toy_case(dataset=before))
    forget_samples(monkeypatch)
    evidence, found = measured(tmp_path, toy_case(dataset=after))
    assert found == reused
    hashes = [after.load(row.sample_id).content_sha256 for row in evidence.rows]
    assert hashes == [row.content_sha256 for row in evidence.rows]
    assert measured(tmp_path, toy_case(dataset=after))[1] == 8  # what is last in the file counts


def forget_samples(monkeypatch: pytest.MonkeyPatch) -> None:
    from mpq_checks.memory import BoundedMemory

    monkeypatch.setattr("mpq_checks.measure._SAMPLES", BoundedMemory(0, lambda _: 1))


def test_other_threads_versions_or_code_are_another_measurement(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    measured(tmp_path, toy_case())
    threads = torch.get_num_threads()
    torch.set_num_threads(threads + 1)
    try:
        assert measured(tmp_path, toy_case())[1] == 0
    finally:
        torch.set_num_threads(threads)
    assert measured(tmp_path, toy_case())[1] == 8
    with monkeypatch.context() as patch:
        patch.setattr("mpq_checks.environment.platform.python_version", lambda: "3.0")
        assert measured(tmp_path, toy_case())[1] == 0
    with monkeypatch.context() as patch:
        patch.setattr("mpq_checks.journal.conditions._package_sha256", lambda: "edited")
        assert measured(tmp_path, toy_case())[1] == 0


def test_half_a_line_at_the_end_is_dropped_wherever_it_ends(tmp_path: Path) -> None:
    case = toy_case(dataset=ToyDataset(num_samples=3))
    rows = measured(tmp_path, case)[0].rows
    path = journal_file(tmp_path)
    data = path.read_bytes()
    for length in range(0, len(data), 61):
        path.write_bytes(data[:length])
        evidence, reused = measured(tmp_path, case)
        assert evidence.rows == rows
        assert reused == max(0, data[:length].count(b"\n") - 1)
        assert path.read_bytes().count(b"\n") == 4
        assert measured(tmp_path, case)[1] == 3


def edit_rate(lines: list[bytes]) -> None:
    text = lines[3].decode()
    row = json.loads(text)["entry"]["rows"][0]
    lines[3] = text.replace(f'"rate": {row["rate"]}', '"rate": 0.5').encode()


def swap(lines: list[bytes]) -> None:
    lines[2], lines[3] = lines[3], lines[2]


def drop(lines: list[bytes]) -> None:
    del lines[2]


def double(lines: list[bytes]) -> None:
    lines.insert(3, lines[2])


def garble(lines: list[bytes]) -> None:
    lines[2] = b"\xff\x00" + lines[2][2:]


def empty(lines: list[bytes]) -> None:
    lines[2] = b"\n"


def change_head(lines: list[bytes]) -> None:
    lines[0] = lines[0].replace(b"jpeg-q50", b"jpeg-q51")


@pytest.mark.parametrize(
    ("damage", "line"),
    [(edit_rate, 4), (swap, 3), (drop, 3), (double, 4), (garble, 3), (empty, 3), (change_head, 1)],
)
def test_a_damaged_journal_is_refused_with_the_line_and_the_mend(
    tmp_path: Path, damage: Callable[[list[bytes]], None], line: int
) -> None:
    half_measured(tmp_path)
    path = journal_file(tmp_path)
    lines = path.read_bytes().splitlines(keepends=True)
    damage(lines)
    path.write_bytes(b"".join(lines))
    with pytest.raises(MeasurementError) as error:
        measured(tmp_path, toy_case(CountingJpeg(50)))
    assert f"{path}, line {line} is not as it was written" in str(error.value)
    assert "Delete it; its samples are then measured anew" in str(error.value)
    path.unlink()
    assert measured(tmp_path, toy_case(CountingJpeg(50)))[1] == 0


def test_a_folder_that_cannot_be_written_fails_the_case_before_it_is_measured(
    tmp_path: Path,
) -> None:
    blocked = tmp_path / "toy"
    blocked.write_text("a file")
    codec = CountingJpeg(50)
    outcome = run_case(toy_case(codec), settings(tmp_path / "baselines", tmp_path))
    assert not outcome.passed
    assert "cannot be written" in outcome.message
    assert "name another folder with --mpq-resume" in outcome.message
    assert outcome.message.startswith("toy/jpeg-q50, journal: ")
    assert codec.calls == []


def settings(baselines: Path, resume: Path) -> GateSettings:
    profile = Profile("toy", (toy_case(),))
    return GateSettings(profile, baselines, "new", device="cpu", resume=resume)


@pytest.fixture
def small_files() -> Iterator[Callable[[int], None]]:
    """A file that outgrows the limit cannot be written any further, as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)

    def limit(num_bytes: int) -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (num_bytes, hard))

    yield limit
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_disk_that_fills_up_ends_the_journal_but_not_the_measurement(
    tmp_path: Path, small_files: Callable[[int], None], caplog: pytest.LogCaptureFixture
) -> None:
    case = toy_case()
    measured(tmp_path / "sizes", case)
    lines = journal_file(tmp_path / "sizes").read_bytes().splitlines(keepends=True)
    small_files(sum(map(len, lines[:4])) + 100)
    outcome = run_case(case, settings(tmp_path / "baselines", tmp_path / "kept"))
    small_files(resource.RLIM_INFINITY)
    assert outcome.passed
    assert outcome.judgement is not None
    assert outcome.read_evidence().rows == measure(case).rows
    path = journal_file(tmp_path / "kept")
    assert outcome.judgement["notes"][-1] == (
        f"{path}: cannot be written any further (File too large); this case is measured from "
        "there on if it is run again"
    )
    assert [record.message for record in caplog.records if "cannot be" in record.message] == [
        f"{path}: cannot be written any further (File too large)"
    ]
    again = run_case(case, settings(tmp_path / "baselines", tmp_path / "kept"))
    assert again.judgement is not None
    assert again.judgement["notes"][-1] == "3 of 8 samples were measured by earlier runs"
    assert again.read_evidence().rows == outcome.read_evidence().rows


def test_two_runs_do_not_write_one_journal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mpq_checks.journal.file._LOCK_SECONDS", 0.1)
    case = toy_case()
    folder = case_folder(tmp_path, "toy", case.id)
    folder.mkdir(parents=True)
    with (
        FileLock(folder / "lock"),
        pytest.raises(MeasurementError, match="another run measures this case"),
    ):
        measured(tmp_path, case)
    measured(tmp_path, case)


@dataclass(frozen=True)
class SlowJpeg(CountingJpeg):
    def encode(self, signal: Any) -> bytes:
        time.sleep(0.02)
        return super().encode(signal)


def test_seconds_are_those_of_all_runs(tmp_path: Path) -> None:
    with pytest.raises(MeasurementError):
        measured(tmp_path, toy_case(SlowJpeg(50, breaks_at=7)))
    evidence, reused = measured(tmp_path, toy_case(SlowJpeg(50)))
    assert reused == 6
    assert 8 * 0.02 <= evidence.seconds["encode"] < 16 * 0.02
    once_more, reused = measured(tmp_path, toy_case(SlowJpeg(50)))
    assert reused == 8
    assert once_more.seconds["encode"] == pytest.approx(evidence.seconds["encode"], abs=2e-3)


# Batches are kept and reused as a whole.


@dataclass(frozen=True)
class BatchJpeg(CountingJpeg):
    sizes: list[int] = field(default_factory=list, compare=False)

    def encode_batch(self, signals: Any) -> list[bytes]:
        self.sizes.append(len(signals))
        return [self.encode(signal) for signal in signals]

    def decode_batch(self, data: Any) -> list[Any]:
        return [self.decode(one) for one in data]


def test_a_batch_is_reused_whole(tmp_path: Path) -> None:
    dataset = ToyDataset(num_samples=37)
    whole, _ = measured(tmp_path, toy_case(BatchJpeg(50), dataset=dataset))
    path = journal_file(tmp_path)
    lines = path.read_bytes().splitlines(keepends=True)
    assert len(lines) == 4
    path.write_bytes(b"".join(lines[:3]))
    codec = BatchJpeg(50)
    resumed, reused = measured(tmp_path, toy_case(codec, dataset=dataset))
    assert (reused, codec.sizes) == (32, [5])
    assert resumed.rows == whole.rows


def test_another_gpu_is_another_measurement(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    found = []
    for name in ("H100", "H200"):
        monkeypatch.setattr(torch.cuda, "get_device_name", lambda name=name: name)
        found.append(conditions_of(toy_case(), {}, "cuda"))
    assert found[0] != found[1]
    assert {**found[0], "environment": found[1]["environment"]} == found[1]


def test_what_a_case_counts_and_how_rates_are_stated_are_conditions() -> None:
    case = toy_case()
    counted = replace(case, counting=Counting(bits_per_byte=1))
    conditions = [conditions_of(one, one.identities(), "cpu") for one in (case, counted)]
    assert conditions[0] != conditions[1]
    assert conditions_of(case, case.identities(), "cpu") == conditions[0]
