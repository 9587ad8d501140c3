"""Speech recognition: word recognition accuracy and the likelihood of the reference."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Any

from mpq_checks.datasets.base import Dataset, Sample, Transcript
from mpq_checks.errors import DatasetError, MetricError, ModelError, MpqError
from mpq_checks.metrics.base import Metric, PerceptualMetric
from mpq_checks.metrics.cdpam import Cdpam
from mpq_checks.metrics.tally import Tally, ratio_tally
from mpq_checks.metrics.wer import (
    TOKEN_NLL,
    WRA,
    Normaliser,
    WhisperEnglish,
    word_errors,
    wra_tally,
)
from mpq_checks.models.base import BatchSpeechRecogniser, Model, SpeechRecogniser
from mpq_checks.signals import Audio, Modality, Signal
from mpq_checks.tasks.base import Evaluator, Statistics, assets_of, sample_words
from mpq_checks.tasks.statistics import column

__all__ = ["SpeechRecognition"]


@dataclass(frozen=True)
class SpeechRecognition:
    """Speech with its transcript.

    Scores: word recognition accuracy, 1 - WER of the corpus (below 0 where more words are made up
    than recognised), and the mean negative log-likelihood of a token of the reference, in nats.

    Statistics of a sample: `errors` and reference `words` after normalisation, `nll_sum` over the
    `tokens` of the reference, and `hypothesis`, what the model wrote.

    Args:
        name: name in test ids and file names.
        dataset: speech with transcripts.
        model: writes what it hears.
        perceptual: deep similarity.
        normaliser: makes different spellings of the same words equal.
        cost: rough core-seconds a case takes.
    """

    name: str
    dataset: Dataset[Transcript]
    model: Model[SpeechRecogniser]
    perceptual: PerceptualMetric = field(default_factory=Cdpam)
    normaliser: Normaliser = field(default_factory=WhisperEnglish)
    cost: float = 90.0

    @property
    def kind(self) -> str:
        """`speech_recognition`."""
        return "speech_recognition"

    @property
    def modality(self) -> Modality:
        """Audio."""
        return "audio"

    @property
    def scores(self) -> tuple[Metric, ...]:
        """WRA, and the likelihood of the reference."""
        return (WRA, TOKEN_NLL)

    def identity(self) -> dict[str, str]:
        """The kind of task, how words are counted, and the model's identity."""
        return {
            "task": self.kind,
            **self.normaliser.identity(),
            "jiwer": version("jiwer"),
            **self.model.identity(),
        }

    def assets(self) -> tuple[str, ...]:
        """Of dataset, model, metric and normaliser."""
        return assets_of(self.dataset, self.model, self.perceptual, self.normaliser)

    def load(self, device: str) -> Evaluator:
        """Bring the model into memory. Raises AssetError or ModelError."""
        return _Evaluator(self, self.model.load(device))

    def tallies(self, statistics: Sequence[Mapping[str, Any]]) -> dict[str, Tally]:
        """Of each score.

        Raises:
            MetricError: no samples, or statistics that lack a field.
        """
        errors, words = column(statistics, "errors"), column(statistics, "words")
        nll_sums, tokens = column(statistics, "nll_sum"), column(statistics, "tokens")
        return {
            WRA.name: wra_tally(errors, words),
            TOKEN_NLL.name: ratio_tally(nll_sums, tokens, TOKEN_NLL.name),
        }

    def worse(self, baseline: Mapping[str, Any], candidate: Mapping[str, Any]) -> float:
        """Further errors as a share of the words; of equally many, the rise of the likelihood."""
        more_errors = (candidate["errors"] - baseline["errors"]) / baseline["words"]
        rise = candidate["nll_sum"] / candidate["tokens"] - baseline["nll_sum"] / baseline["tokens"]
        return float(more_errors + 1e-3 * rise)

    def describe(self, statistics: Mapping[str, Any]) -> str:
        """`2 errors in 24 words: "For although ..."`."""
        return (
            f"{statistics['errors']} errors in {statistics['words']} words: "
            f'"{statistics["hypothesis"]}"'
        )


class _Evaluator:
    """The task with its recogniser in memory."""

    def __init__(self, task: SpeechRecognition, recogniser: SpeechRecogniser) -> None:
        self._task = task
        self._recogniser = recogniser
        self.batch_size = 1
        if isinstance(recogniser, BatchSpeechRecogniser):
            self.batch_size = recogniser.batch_size

    def evaluate(
        self, signals: Sequence[Signal], samples: Sequence[Sample[Transcript]]
    ) -> list[Statistics]:
        """Transcribe each signal and compare it with its transcript.

        `batch_size` of them are one call of the recogniser.

        Raises:
            MetricError: a transcript without words.
            SignalError: audio that the model cannot take.
            ModelError: the recogniser failed.
            DatasetError: a reference that is not text.
        """
        found: list[Statistics] = []
        for first in range(0, len(signals), self.batch_size):
            part = slice(first, first + self.batch_size)
            found += self._evaluate(signals[part], samples[part])
        return found

    def _evaluate(
        self, signals: Sequence[Signal], samples: Sequence[Sample[Transcript]]
    ) -> list[Statistics]:
        where = f"task {self._task.name}, {sample_words(samples)}"
        audios = []
        for signal, sample in zip(signals, samples, strict=True):
            if not isinstance(signal, Audio):
                raise MetricError(f"{where}: recognises audio, not {type(signal).__name__}")
            if not isinstance(sample.reference, str):
                raise DatasetError(
                    f"{self._task.dataset.name}, sample {sample.sample_id}: the reference is "
                    f"{type(sample.reference).__name__}, not a transcript"
                )
            audios.append(signal)
        references = [sample.reference for sample in samples]
        try:
            heard = self._hear(audios, references)
            return [
                self._statistics(reference, *of_sample)
                for reference, of_sample in zip(references, heard, strict=True)
            ]
        except MpqError:
            raise
        except Exception as exc:
            raise ModelError(f"{where}: the recogniser failed: {exc}") from exc

    def _hear(
        self, audios: Sequence[Audio], references: Sequence[str]
    ) -> list[tuple[str, tuple[float, int]]]:
        """Of each clip the transcript, and the likelihood of the reference with its tokens."""
        recogniser = self._recogniser
        if len(audios) > 1 and isinstance(recogniser, BatchSpeechRecogniser):
            transcripts = recogniser.transcribe_batch(audios)
            likelihoods = recogniser.reference_nll_batch(audios, references)
            return list(zip(transcripts, likelihoods, strict=True))
        pairs = zip(audios, references, strict=True)
        return [
            (recogniser.transcribe(audio), recogniser.reference_nll(audio, reference))
            for audio, reference in pairs
        ]

    def _statistics(
        self, reference: str, hypothesis: str, likelihood: tuple[float, int]
    ) -> Statistics:
        errors, words = word_errors(reference, hypothesis, self._task.normaliser)
        nll_sum, tokens = likelihood
        return {
            "errors": errors,
            "words": words,
            "nll_sum": float(nll_sum),
            "tokens": int(tokens),
            "hypothesis": str(hypothesis),
        }
