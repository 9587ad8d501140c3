from dataclasses import dataclass, field, replace

import numpy as np
import pytest
from toy_gate import SwappedJpeg, ToyDataset, ToyTask, make_profile

from mpq_checks.codecs import Jpeg
from mpq_checks.errors import EncodingError, MeasurementError
from mpq_checks.measure import STAGES, measure
from mpq_checks.signals import Image

CASE = make_profile().cases[1]


def case_with(codec=None, **task):
    return replace(CASE, codec=codec or CASE.codec, task=replace(ToyTask(), **task))


def test_rates_are_counted_from_the_bytes_and_none_counts_24_bits():
    none, jpeg = (measure(case).rows for case in make_profile().cases)
    assert all(row.rate == pytest.approx(8 * row.encoded_bytes / (40 * 40)) for row in jpeg)
    assert {row.rate for row in none} == {24.0}
    assert len({row.encoded_sha256 for row in jpeg}) == len(jpeg)


def test_seconds_are_kept_by_stage():
    assert tuple(measure(CASE).seconds) == STAGES


def test_progress_is_told_after_each_sample():
    seen = []
    measure(CASE, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(count, 8) for count in range(1, 9)]


def test_evidence_is_picklable_on_both_sides():
    import pickle

    again = pickle.loads(pickle.dumps(CASE))  # noqa: S301  (our own bytes)
    evidence = measure(again)
    assert pickle.loads(pickle.dumps(evidence)) == evidence  # noqa: S301


@dataclass(frozen=True)
class SmallerJpeg(Jpeg):
    def decode(self, data):
        return Image(super().decode(data).pixels[:-1])


@dataclass(frozen=True)
class NanTask(ToyTask):
    def _score(self, image, sample):
        return {**super()._score(image, sample), "nll": float("nan")}


@dataclass(frozen=True)
class NumpyTask(ToyTask):
    def _score(self, image, sample):
        return {**super()._score(image, sample), "nll": np.float32(1)}


@dataclass(frozen=True)
class InfiniteTask(ToyTask):
    def _score(self, image, sample):
        return {**super()._score(image, sample), "nll": float("inf")}


@pytest.mark.parametrize(
    ("case", "message"),
    [
        (case_with(SmallerJpeg(50)), "square-0, decode: decoded image has shape (39, 40, 3)"),
        (replace(CASE, task=NanTask()), "square-0, record: a measured value is NaN"),
        (replace(CASE, task=NumpyTask()), "square-0, record: a measured value is of type float32"),
        (replace(CASE, task=InfiniteTask()), "record: the task's statistics hold an infinite"),
        (case_with(dataset=ToyDataset(num_samples=0)), "no samples to measure"),
    ],
)
def test_what_cannot_be_measured_names_case_sample_and_stage(case, message):
    with pytest.raises(MeasurementError) as error:
        measure(case)
    assert str(error.value).startswith("toy/")
    assert message in str(error.value)


def test_unknown_and_repeated_ids_are_refused():
    with pytest.raises(MeasurementError, match="has no sample 'square-99'"):
        measure(CASE, ["square-1", "square-99"])
    with pytest.raises(MeasurementError, match="twice"):
        measure(CASE, ["square-1", "square-1"])


def test_a_swap_of_channels_shows_in_the_psnr():
    good = measure(CASE).rows
    swapped = measure(replace(CASE, codec=SwappedJpeg(50))).rows
    assert [row.encoded_sha256 for row in good] == [row.encoded_sha256 for row in swapped]
    assert max(old.psnr_db - new.psnr_db for new, old in zip(swapped, good, strict=True)) > 10


def test_the_cases_of_a_task_share_its_samples():
    loads = []

    @dataclass(frozen=True)
    class Counting(ToyDataset):
        def load(self, sample_id):
            loads.append(sample_id)
            return super().load(sample_id)

    for case in make_profile(task=ToyTask(dataset=Counting())).cases:
        measure(case)
    assert loads == list(Counting().sample_ids())


# Codecs that take batches.


@dataclass(frozen=True)
class BatchJpeg(Jpeg):
    """Notes how many signals each call has; cannot code what is named."""

    sizes: list = field(default_factory=list, compare=False)
    fails_for: int | None = None

    def encode_batch(self, signals):
        self.sizes.append(len(signals))
        return [self._encode_one(signal) for signal in signals]

    def decode_batch(self, data):
        return [self.decode(one) for one in data]

    def encode(self, signal):
        return self._encode_one(signal)

    def _encode_one(self, signal):
        if self.fails_for is not None:
            wanted = ToyDataset().load(f"square-{self.fails_for}").signal
            if np.array_equal(wanted.pixels, signal.pixels):
                raise EncodingError("the encoder broke")
        return super().encode(signal)


def test_batches_give_the_rows_that_single_samples_give():
    codec = BatchJpeg(50)
    seen = []
    batched = measure(
        case_with(codec, dataset=ToyDataset(num_samples=37)),
        progress=lambda done, total: seen.append((done, total)),
    )
    assert batched.rows == measure(case_with(dataset=ToyDataset(num_samples=37))).rows
    assert codec.sizes == [16, 16, 5]
    assert seen == [(count, 37) for count in range(1, 38)]
    assert tuple(batched.seconds) == STAGES


def test_a_batch_is_no_larger_than_memory_should_hold(monkeypatch):
    monkeypatch.setattr("mpq_checks.measure._BATCH_BYTES", 3 * 40 * 40 * 3)
    codec = BatchJpeg(50)
    assert measure(case_with(codec)).rows == measure(CASE).rows
    assert codec.sizes == [3, 3, 2]
    monkeypatch.setattr("mpq_checks.measure._BATCH_BYTES", 1)
    measure(case_with(codec))
    assert codec.sizes == [3, 3, 2]  # single samples go to `encode`


def test_an_error_in_a_batch_names_its_sample():
    with pytest.raises(MeasurementError, match="square-5, encode: the encoder broke"):
        measure(case_with(BatchJpeg(50, fails_for=5)))


@dataclass(frozen=True)
class ShortBatchJpeg(BatchJpeg):
    def decode_batch(self, data):
        return super().decode_batch(data)[1:]


def test_a_batch_that_loses_a_signal_is_refused():
    with pytest.raises(MeasurementError, match="decode: the codec gave 7 results for 8"):
        measure(case_with(ShortBatchJpeg(50)))
