from dataclasses import dataclass, field, replace

import numpy as np
import pytest
from paper_models import BEANS, write_segformer, write_vit, write_whisper
from toy_gate import SwappedJpeg, ToyDataset, ToyTask, make_profile

from mpq_checks.codecs import Jpeg, NoCodec
from mpq_checks.datasets.base import Sample
from mpq_checks.errors import EncodingError, MeasurementError
from mpq_checks.measure import STAGES, measure
from mpq_checks.metrics.base import Metric
from mpq_checks.models.huggingface import HuggingFaceImageClassifier, HuggingFaceSegmenter
from mpq_checks.models.whisper import HuggingFaceWhisper
from mpq_checks.noise import differs
from mpq_checks.profiles import Case
from mpq_checks.profiles.margins import DEFAULT_MARGINS
from mpq_checks.signals import Audio, Image
from mpq_checks.tasks import ImageClassification, Segmentation, SpeechRecognition

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


# Models that are made for batches.


@dataclass(frozen=True)
class BatchTask(ToyTask):
    """Notes how many signals each call has; fails for what is named."""

    batch_size: int = 4
    sizes: list = field(default_factory=list, compare=False)
    fails_for: str | None = None

    def evaluate(self, signals, samples):
        self.sizes.append(len(signals))
        if self.fails_for in {sample.sample_id for sample in samples}:
            raise RuntimeError("the model broke")
        return super().evaluate(signals, samples)


def batch_case(codec=None, num_samples=11, **changes):
    task = BatchTask(dataset=ToyDataset(num_samples=num_samples), **changes)
    return replace(CASE, codec=codec or CASE.codec, task=task)


def test_a_model_made_for_batches_gets_them():
    case, seen = batch_case(), []
    evidence = measure(case, progress=lambda *state: seen.append(state))
    assert case.task.sizes == [4, 4, 3]
    assert seen == [(count, 11) for count in range(1, 12)]
    assert evidence.rows == measure(case_with(dataset=case.task.dataset)).rows


@pytest.mark.parametrize(
    ("batch_size", "of_model", "of_codec"),
    [
        (4, [4] * 9 + [1], [16, 16, 5]),
        (5, [5] * 7 + [2], [16, 4, 16]),  # 20 samples at once, the codec's last one alone
        (32, [32, 5], [16, 16, 5]),
        (1, [1] * 37, [16, 16, 5]),
    ],
)
def test_codec_and_model_have_batches_of_their_own(batch_size, of_model, of_codec):
    codec = BatchJpeg(50)
    case = batch_case(codec, 37, batch_size=batch_size)
    rows = measure(case).rows
    assert (case.task.sizes, codec.sizes) == (of_model, of_codec)
    assert rows == measure(case_with(dataset=case.task.dataset)).rows


def test_memory_does_not_cut_the_batches_of_a_model(monkeypatch):
    monkeypatch.setattr("mpq_checks.measure._BATCH_BYTES", 3 * 40 * 40 * 3)
    codec = BatchJpeg(50)
    case = batch_case(codec)
    measure(case)
    assert case.task.sizes == [4, 4, 3]
    assert codec.sizes == [3, 3, 3]  # and single ones


def test_an_error_in_a_batch_of_the_model_names_its_sample():
    case = batch_case(fails_for="square-6")
    with pytest.raises(MeasurementError, match="square-6, model: RuntimeError: the model broke"):
        measure(case)
    assert case.task.sizes == [4, 4, 1, 1, 1]


def test_a_task_that_loses_a_sample_is_refused():
    class Short(BatchTask):
        def evaluate(self, signals, samples):
            return super().evaluate(signals, samples)[1:]

    with pytest.raises(MeasurementError, match="model: the task gave 3 results for 4"):
        measure(replace(CASE, task=Short()))


@dataclass(frozen=True)
class Silence:
    """Stands in for CDPAM, and for LPIPS."""

    @property
    def metric(self):
        return Metric("cdpam", "distance", False)

    def identity(self):
        return {"network": "none"}

    def assets(self):
        return ()

    def load(self, device):
        return self

    def distance(self, reference, decoded):
        return 0.0


@dataclass(frozen=True)
class Given:
    """A dataset of these samples."""

    samples: tuple
    name: str = "given"

    def assets(self):
        return ()

    def sample_ids(self):
        return tuple(sample.sample_id for sample in self.samples)

    def load(self, sample_id):
        return next(sample for sample in self.samples if sample.sample_id == sample_id)


def given(signals, references):
    pairs = enumerate(zip(signals, references, strict=True))
    return Given(tuple(Sample(f"s{i}", f"{i:064}", *pair) for i, pair in pairs))


def pictures(count):
    generator = np.random.default_rng(1)
    blocks = generator.integers(0, 256, (count, 4, 5, 3), dtype=np.uint8)
    return [Image(block.repeat(10, axis=0).repeat(8 + i, axis=1)) for i, block in enumerate(blocks)]


def classification(tmp_path, batch_size):
    write_vit(tmp_path / "vit", BEANS)
    model = HuggingFaceImageClassifier(tmp_path / "vit", batch_size)
    return ImageClassification("t", given(pictures(7), [0, 1, 2] * 2 + [0]), model, Silence())


def segmentation(tmp_path, batch_size):
    write_segformer(tmp_path / "segformer", num_classes=5)
    images = pictures(7)
    masks = [image.pixels[:, :, 0] % 5 for image in images]
    model = HuggingFaceSegmenter(tmp_path / "segformer", batch_size)
    return Segmentation("t", given(images, masks), model, 5, Silence())


def speech_recognition(tmp_path, batch_size):
    write_whisper(tmp_path / "whisper")
    generator = np.random.default_rng(2)
    clips = [
        Audio((0.1 * generator.standard_normal((1, 8000 + 2000 * i))).astype(np.float32), 16000)
        for i in range(5)
    ]
    texts = ["one", "two words", "three of them", "four", "five"]
    model = HuggingFaceWhisper(tmp_path / "whisper", batch_size=batch_size)
    return SpeechRecognition("t", given(clips, texts), model, Silence(), AsWritten())


@dataclass(frozen=True)
class AsWritten:
    def identity(self):
        return {"normaliser": "none"}

    def assets(self):
        return ()

    def __call__(self, text):
        return text


@pytest.mark.parametrize("make", [classification, segmentation, speech_recognition])
def test_real_models_give_the_same_in_batches_but_for_float_noise(tmp_path, make):
    found = {}
    for batch_size in (1, 4):
        task = make(tmp_path, batch_size)
        found[batch_size] = measure(Case(task, NoCodec(task.modality), DEFAULT_MARGINS))
        evaluator = task.load("cpu")
        assert evaluator.batch_size == batch_size
        samples = [task.dataset.load(sample_id) for sample_id in task.dataset.sample_ids()]
        signals = [sample.signal for sample in samples]
        alone = [
            evaluator.evaluate([signal], [sample])[0]
            for signal, sample in zip(signals, samples, strict=True)
        ]
        assert evaluator.evaluate(signals, samples) == alone
    single, batched = ([row.to_json() for row in found[size].rows] for size in (1, 4))
    assert not differs(batched, single)
    assert found[4].identities["task"] == {**found[1].identities["task"], "batch_size": "4"}
