"""Measure a case: one function of a case and some sample ids that returns evidence."""

import hashlib
import json
import logging
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache, partial
from typing import Any, TypeAlias

from mpq_checks.codecs.base import BatchCodec, Codec
from mpq_checks.datasets.base import Sample
from mpq_checks.environment import environment
from mpq_checks.errors import DatasetError, EvidenceError, MeasurementError, MpqError
from mpq_checks.evidence import Evidence, Row, round_floats
from mpq_checks.memory import BoundedMemory
from mpq_checks.metrics.base import PerceptualDistance, PerceptualMetric
from mpq_checks.metrics.psnr import psnr_db
from mpq_checks.metrics.rate import bits_per_unit
from mpq_checks.profiles.base import Case
from mpq_checks.signals import Audio, Image, require_same_form
from mpq_checks.tasks.base import Evaluator, Task

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
) -> Evidence:
    """Compress, decode and score samples.

    Models, networks and the samples of the last task stay in memory, so that the codecs of one
    task share them. A codec that takes batches gets up to 16 samples at once.

    Args:
        case: the codec and the task.
        sample_ids: which samples; None: all.
        profile: name of the profile, recorded in the evidence.
        device: `cpu` or `cuda`.
        progress: told after each sample.

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
        rows: list[Row] = []
        for batch in _batches(case, wanted, seconds, where):
            encoded, decoded = _code(case.codec, batch, seconds, where)
            for sample, data, signal in zip(batch, encoded, decoded, strict=True):
                where.sample_id = sample.sample_id
                rows.append(
                    _measure_sample(
                        case, sample, data, signal, evaluator, perceptual, seconds, where
                    )
                )
                if progress is not None:
                    progress(len(rows), len(wanted))
        identities = {
            "codec": case.codec.identity(),
            "task": case.task.identity(),
            "perceptual": case.task.perceptual.identity(),
        }
    return Evidence(
        profile=profile,
        task=case.task.name,
        codec=case.codec.name,
        modality=case.task.modality,
        identities=identities,
        environment=environment(device),
        seconds={stage: round(value, 3) for stage, value in seconds.items()},
        num_samples_in_dataset=len(all_ids),
        rows=tuple(rows),
    )


def _batches(
    case: Case, sample_ids: Sequence[str], seconds: dict[str, float], where: "_Place"
) -> Iterator[list[Sample[Any]]]:
    """The samples in turn, as many at once as the codec takes and memory should hold."""
    dataset = case.task.dataset
    most = _BATCH_SAMPLES if isinstance(case.codec, BatchCodec) else 1
    batch: list[Sample[Any]] = []
    for sample_id in sample_ids:
        where.sample_id, where.stage = sample_id, "load"
        with _timed(seconds, "load"):
            load = partial(dataset.load, sample_id)
            sample = _SAMPLES.get((dataset, sample_id), load)
        full = len(batch) == most or _signal_bytes([*batch, sample]) > _BATCH_BYTES
        if batch and full:
            yield batch
            batch = []
        batch.append(sample)
    yield batch


def _code(
    codec: Codec, batch: Sequence[Sample[Any]], seconds: dict[str, float], where: "_Place"
) -> tuple[list[bytes], list[Any]]:
    """Each sample's bytes and what they decode to."""
    signals = [sample.signal for sample in batch]
    where.stage = "encode"
    with _timed(seconds, "encode"):
        together = codec.encode_batch if isinstance(codec, BatchCodec) else None
        encoded = _each(codec.encode, together, signals, batch, where)
    where.stage = "decode"
    with _timed(seconds, "decode"):
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
            raise MeasurementError(f"the codec gave {len(results)} results for {len(values)}")
    results = []
    for sample, value in zip(batch, values, strict=True):
        where.sample_id = sample.sample_id
        results.append(one(value))
    return results


def _measure_sample(
    case: Case,
    sample: Sample[Any],
    encoded: bytes,
    decoded: Any,
    evaluator: Evaluator,
    perceptual: PerceptualDistance,
    seconds: dict[str, float],
    where: "_Place",
) -> Row:
    where.stage = "metrics"
    with _timed(seconds, "metrics"):
        psnr = psnr_db(sample.signal, decoded)
        distance = perceptual.distance(sample.signal, decoded)
        encoded_sha256 = hashlib.sha256(encoded).hexdigest()
        decoded_sha256 = decoded.sha256()
        rate = bits_per_unit(len(encoded), sample.signal, case.codec.nominal_rate)
    where.stage = "model"
    with _timed(seconds, "model"):
        (statistics,) = evaluator.evaluate([decoded], [sample])
    where.stage = "record"
    return Row(
        sample_id=sample.sample_id,
        cluster=sample.cluster,
        content_sha256=sample.content_sha256,
        encoded_bytes=len(encoded),
        encoded_sha256=encoded_sha256,
        decoded_sha256=decoded_sha256,
        rate=round_floats(rate),
        psnr_db=round_floats(psnr),
        perceptual=round_floats(distance),
        statistics=_finite(round_floats(statistics)),
    )


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


def _signal_bytes(samples: Sequence[Sample[Any]]) -> int:
    return _num_bytes([sample.signal for sample in samples])


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
