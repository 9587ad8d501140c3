"""Measure a case: one function of a case and some sample ids that returns evidence."""

import hashlib
import json
import logging
import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any, TypeAlias

from mpq_checks.codecs.base import BatchCodec, Codec
from mpq_checks.datasets.base import Sample
from mpq_checks.environment import environment
from mpq_checks.errors import DatasetError, EvidenceError, MeasurementError, MpqError
from mpq_checks.evidence import Evidence, Row, round_floats
from mpq_checks.journal import Journal, conditions_of
from mpq_checks.memory import BoundedMemory
from mpq_checks.metrics.base import PerceptualDistance, PerceptualMetric
from mpq_checks.metrics.psnr import psnr_db
from mpq_checks.metrics.rate import bits_per_unit
from mpq_checks.profiles.base import Case
from mpq_checks.signals import Audio, Image, require_same_form
from mpq_checks.tasks.base import BatchEvaluator, Evaluator, Statistics, Task

__all__ = ["STAGES", "Progress", "measure", "resolve_device"]

_LOG = logging.getLogger(__name__)

STAGES = ("load", "encode", "decode", "metrics", "model")
"""The stages whose seconds are counted; `load` is models, networks and samples."""

Progress: TypeAlias = Callable[[int, int], None]
"""Called with the samples done and the samples to do."""

_REMEMBERED_SAMPLE_BYTES = 256 * 1024 * 1024

_BATCH_SAMPLES = 16
_BATCH_BYTES = 16 * 1024 * 1024
"""How much goes into one call of a codec that takes batches."""


def resolve_device(device: str) -> str:
    """`auto` becomes `cuda` where there is one, else `cpu`.

    Raises:
        MeasurementError: `cuda` was asked for and there is none.
    """
    if device == "cpu":
        return device
    import torch

    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if device == "cuda" and not torch.cuda.is_available():
        raise MeasurementError(
            "--mpq-device cuda was asked for, but torch finds no CUDA device; use cpu or auto"
        )
    return device


def measure(
    case: Case,
    sample_ids: Sequence[str] | None = None,
    *,
    profile: str = "",
    device: str = "cpu",
    progress: Progress | None = None,
    journal: Journal | None = None,
) -> Evidence:
    """Compress, decode and score samples.

    Models, networks and the samples of the last task stay in memory, so that the codecs of one
    task share them. A codec that takes batches gets up to 16 samples at once, a model made for
    batches as many as it is made for.

    Args:
        case: the codec and the task.
        sample_ids: which samples; None: all.
        profile: name of the profile, recorded in the evidence.
        device: `cpu` or `cuda`.
        progress: told after each sample.
        journal: keeps what is measured; what it has of an earlier run is not measured again.

    Raises:
        MeasurementError: any sample could not be measured; it names case, sample and stage.
    """
    seconds = dict.fromkeys(STAGES, 0.0)
    where = _Place(case.id)
    with where.reported():
        with _timed(seconds, "load"):
            all_ids = case.task.dataset.sample_ids()
            wanted = tuple(sample_ids) if sample_ids is not None else all_ids
            _require_known(wanted, all_ids, case)
            evaluator = _load_evaluator(case.task, device)
            perceptual = _load_perceptual(case.task.perceptual, device)
            identities = case.identities()
        work = _Work(case, evaluator, perceptual, seconds, where)
        rows: list[Row] = []
        earlier: list[Mapping[str, float]] = []

        def done(row: Row) -> None:
            rows.append(row)
            if progress is not None:
                progress(len(rows), len(wanted))

        if journal is None:
            for batch in _batches(work, wanted):
                _measure_batch(work, batch, done)
        else:
            where.stage = "journal"
            with journal.opened(conditions_of(case, identities, device)):
                earlier = _measure_with_journal(work, wanted, journal, done)
    return Evidence(
        profile=profile,
        task=case.task.name,
        codec=case.codec.name,
        modality=case.task.modality,
        identities=identities,
        environment=environment(device),
        seconds={
            stage: round(sum((spent[stage] for spent in earlier), seconds[stage]), 3)
            for stage in STAGES
        },
        num_samples_in_dataset=len(all_ids),
        rows=tuple(rows),
    )


@dataclass(frozen=True)
class _Work:
    """What a case is measured with, and how far it is."""

    case: Case
    evaluator: Evaluator
    perceptual: PerceptualDistance
    seconds: dict[str, float]
    where: "_Place"


def _measure_with_journal(
    work: _Work, wanted: Sequence[str], journal: Journal, done: Callable[[Row], None]
) -> list[Mapping[str, float]]:
    """Measure what the journal does not have; the seconds that were spent on what it has.

    Batches are reused whole, so that each sample has the neighbours it would have had.
    """
    earlier = []
    kept = dict.fromkeys(STAGES, 0.0)
    for batch in _batches(work, wanted):
        work.where.stage = "journal"
        known = journal.find(batch)
        if known is not None:
            earlier.append(known.seconds)
            for row in known.rows:
                done(row)
            continue
        rows = _measure_batch(work, batch, done)
        work.where.stage = "journal"
        journal.append(rows, {stage: work.seconds[stage] - kept[stage] for stage in STAGES})
        kept = dict(work.seconds)
    return earlier


def _batches(work: _Work, sample_ids: Sequence[str]) -> Iterator[list[Sample[Any]]]:
    """The samples in turn, as many at once as codec and model take and memory should hold.

    Memory does not cut what goes into one call of the model: its size was chosen.
    """
    dataset = work.case.task.dataset
    for_model = _model_batch(work.evaluator)
    most = for_model * math.ceil(_codec_batch(work.case.codec) / for_model)
    batch: list[Sample[Any]] = []
    for sample_id in sample_ids:
        work.where.sample_id, work.where.stage = sample_id, "load"
        with _timed(work.seconds, "load"):
            load = partial(dataset.load, sample_id)
            sample = _SAMPLES.get((dataset, sample_id), load)
        whole = len(batch) % for_model == 0
        if batch and (len(batch) == most or (whole and _too_large([*batch, sample]))):
            yield batch
            batch = []
        batch.append(sample)
    yield batch


def _for_codec(codec: Codec, batch: Sequence[Sample[Any]]) -> Iterator[list[Sample[Any]]]:
    """A batch in parts, as many samples at once as the codec takes and memory should hold."""
    part: list[Sample[Any]] = []
    for sample in batch:
        if part and (len(part) == _codec_batch(codec) or _too_large([*part, sample])):
            yield part
            part = []
        part.append(sample)
    yield part


def _codec_batch(codec: Codec) -> int:
    return _BATCH_SAMPLES if isinstance(codec, BatchCodec) else 1


def _model_batch(evaluator: Evaluator) -> int:
    return evaluator.batch_size if isinstance(evaluator, BatchEvaluator) else 1


def _measure_batch(
    work: _Work, batch: Sequence[Sample[Any]], done: Callable[[Row], None]
) -> list[Row]:
    """The rows of a batch; each is handed to `done` as soon as it is there."""
    encoded: list[bytes] = []
    decoded: list[Any] = []
    for part in _for_codec(work.case.codec, batch):
        some_encoded, some_decoded = _code(work, part)
        encoded += some_encoded
        decoded += some_decoded
    rows = []
    size = _model_batch(work.evaluator)
    for first in range(0, len(batch), size):
        group = slice(first, first + size)
        for row in _measure_samples(work, batch[group], encoded[group], decoded[group]):
            rows.append(row)
            done(row)
    return rows


def _code(work: _Work, batch: Sequence[Sample[Any]]) -> tuple[list[bytes], list[Any]]:
    """Each sample's bytes and what they decode to."""
    codec, where = work.case.codec, work.where
    signals = [sample.signal for sample in batch]
    where.stage = "encode"
    with _timed(work.seconds, "encode"):
        together = codec.encode_batch if isinstance(codec, BatchCodec) else None
        encoded = _each(codec.encode, together, signals, batch, where)
    where.stage = "decode"
    with _timed(work.seconds, "decode"):
        together = codec.decode_batch if isinstance(codec, BatchCodec) else None
        decoded = _each(codec.decode, together, encoded, batch, where)
        for sample, signal in zip(batch, decoded, strict=True):
            where.sample_id = sample.sample_id
            require_same_form(sample.signal, signal)
    return encoded, decoded


def _each(
    one: Callable[[Any], Any],
    together: Callable[[Sequence[Any]], list[Any]] | None,
    values: Sequence[Any],
    batch: Sequence[Sample[Any]],
    where: "_Place",
) -> list[Any]:
    """What `one` gives for each value; by `together`, if there is that and several values.

    What fails for the batch is done again one by one, so that the error names its sample.
    """
    if together is not None and len(values) > 1:
        where.sample_id = f"{batch[0].sample_id} to {batch[-1].sample_id}"
        try:
            results = together(values)
        except Exception:
            _LOG.info("%s failed for a batch; trying its samples", where.stage, exc_info=True)
        else:
            if len(results) == len(values):
                return results
            who = "task" if where.stage == "model" else "codec"
            raise MeasurementError(f"the {who} gave {len(results)} results for {len(values)}")
    results = []
    for sample, value in zip(batch, values, strict=True):
        where.sample_id = sample.sample_id
        results.append(one(value))
    return results


def _measure_samples(
    work: _Work, batch: Sequence[Sample[Any]], encoded: Sequence[bytes], decoded: Sequence[Any]
) -> Iterator[Row]:
    """The rows of samples that go into one call of the model."""
    measured = []
    work.where.stage = "metrics"
    with _timed(work.seconds, "metrics"):
        for sample, data, signal in zip(batch, encoded, decoded, strict=True):
            work.where.sample_id = sample.sample_id
            measured.append(_signal_values(work, sample, data, signal))
    work.where.stage = "model"
    with _timed(work.seconds, "model"):
        statistics = _evaluate(work, decoded, batch)
    work.where.stage = "record"
    for sample, values, found in zip(batch, measured, statistics, strict=True):
        work.where.sample_id = sample.sample_id
        yield Row(
            sample_id=sample.sample_id,
            cluster=sample.cluster,
            content_sha256=sample.content_sha256,
            **values,
            statistics=_finite(round_floats(found)),
        )


def _signal_values(work: _Work, sample: Sample[Any], encoded: bytes, decoded: Any) -> Any:
    """The fields of a row that do not need the task."""
    psnr = psnr_db(sample.signal, decoded)
    distance = work.perceptual.distance(sample.signal, decoded)
    encoded_sha256 = hashlib.sha256(encoded).hexdigest()
    decoded_sha256 = decoded.sha256()
    rate = bits_per_unit(len(encoded), sample.signal, work.case.codec.nominal_rate)
    return {
        "encoded_bytes": len(encoded),
        "encoded_sha256": encoded_sha256,
        "decoded_sha256": decoded_sha256,
        "rate": round_floats(rate),
        "psnr_db": round_floats(psnr),
        "perceptual": round_floats(distance),
    }


def _evaluate(
    work: _Work, decoded: Sequence[Any], batch: Sequence[Sample[Any]]
) -> list[Statistics]:
    pairs = list(zip(decoded, batch, strict=True))

    def together(pairs: Sequence[tuple[Any, Sample[Any]]]) -> list[Statistics]:
        return work.evaluator.evaluate([signal for signal, _ in pairs], [s for _, s in pairs])

    def one(pair: tuple[Any, Sample[Any]]) -> Statistics:
        (statistics,) = together([pair])
        return statistics

    return _each(one, together, pairs, batch, work.where)


def _finite(statistics: Any) -> Any:
    try:
        json.dumps(statistics, allow_nan=False)
    except ValueError as error:
        raise EvidenceError("the task's statistics hold an infinite number") from error
    return statistics


class _Place:
    """Where the measurement is, for its error message."""

    def __init__(self, case_id: str) -> None:
        self.case_id = case_id
        self.sample_id: str | None = None
        self.stage = "load"

    @contextmanager
    def reported(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:
            sample = f", sample {self.sample_id}" if self.sample_id is not None else ""
            what = str(error) if isinstance(error, MpqError) else f"{type(error).__name__}: {error}"
            raise MeasurementError(f"{self.case_id}{sample}, {self.stage}: {what}") from error


def _sample_bytes(sample: Sample[Any]) -> int:
    held = [sample.signal]
    if isinstance(sample.reference, dict):
        held += sample.reference.values()
    return _num_bytes(held)


def _too_large(samples: Sequence[Sample[Any]]) -> bool:
    return _num_bytes([sample.signal for sample in samples]) > _BATCH_BYTES


def _num_bytes(signals: Iterable[Any]) -> int:
    return sum(
        signal.pixels.nbytes if isinstance(signal, Image) else signal.samples.nbytes
        for signal in signals
        if isinstance(signal, (Image, Audio))
    )


# The codecs of one task share its samples.
_SAMPLES: BoundedMemory[Sample[Any]] = BoundedMemory(_REMEMBERED_SAMPLE_BYTES, _sample_bytes)


# One task at a time keeps a worker's memory down; the cases of a task follow one another.
@lru_cache(maxsize=1)
def _load_evaluator(task: Task, device: str) -> Evaluator:
    _LOG.info("loading the model of %s on %s", task.name, device)
    return task.load(device)


@lru_cache(maxsize=2)
def _load_perceptual(metric: PerceptualMetric, device: str) -> PerceptualDistance:
    return metric.load(device)


@contextmanager
def _timed(seconds: dict[str, float], stage: str) -> Iterator[None]:
    start = time.perf_counter()
    try:
        yield
    finally:
        seconds[stage] += time.perf_counter() - start


def _require_known(wanted: Sequence[str], all_ids: Sequence[str], case: Case) -> None:
    if not wanted:
        raise DatasetError(f"no samples to measure: dataset {case.task.dataset.name} is empty")
    unknown = sorted(set(wanted) - set(all_ids))
    if unknown:
        raise DatasetError(
            f"dataset {case.task.dataset.name} has no sample {unknown[0]!r} "
            f"({len(unknown)} of {len(wanted)} ids are unknown)"
        )
    for ids, what in ((wanted, "asked for"), (all_ids, "listed by the dataset")):
        if len(set(ids)) != len(ids):
            raise DatasetError(f"sample ids {what} twice in {case.task.dataset.name}")
