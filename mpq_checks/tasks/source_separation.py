"""Source separation: signal-to-distortion ratios of the separated stems."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from mpq_checks.datasets.base import Dataset, Sample, Stems
from mpq_checks.errors import DatasetError, MetricError, ModelError, MpqError
from mpq_checks.metrics.base import Metric, PerceptualMetric
from mpq_checks.metrics.cdpam import Cdpam
from mpq_checks.metrics.sdr import (
    EXACT,
    GLOBAL_SDR_DB,
    MAGNITUDE_SDR_DB,
    MIXTURE_SDR_DB,
    SDR_DB,
    decode_db,
    encode_db,
    framewise_sdr_db,
    magnitude_sdr_db,
    mean_db,
    sdr_db,
    stem_sdr_metric,
)
from mpq_checks.metrics.tally import Tally, mean_tally
from mpq_checks.models.base import Model, SourceSeparator
from mpq_checks.signals import Audio, Modality, Signal
from mpq_checks.tasks.base import Evaluator, Statistics, assets_of
from mpq_checks.tasks.statistics import column

__all__ = ["SourceSeparation"]

_SECOND = 1.0
_FRAMES, _GLOBAL, _MAGNITUDE, _MIXTURE = "frames_db", "global_db", "magnitude_db", "mixture_db"


@dataclass(frozen=True)
class SourceSeparation:
    """Mixtures with their stems.

    Scores, each a mean over frames (where it has any), then stems, then samples:
    - `sdr_db`, museval's SDR in frames (of 1 s, as it has them), and the same of each stem;
    - `global_sdr_db`, over the whole clip: single frames of near silence can sink `sdr_db`;
    - `magnitude_sdr_db`, of magnitude spectrograms, which does not punish a changed phase;
    - `mixture_sdr_db`, of the mixture as the model heard it: separation follows it, so that it
      tells whether a codec changed the waveform or misled the model.

    Statistics of a sample, to 0.0001 dB: `frames_db`, `global_db` and `magnitude_db` by stem, and
    `mixture_db`. "exact" stands for an infinite ratio; null for silence in a stem, which is left
    out.

    Args:
        name: name in test ids and file names.
        dataset: mixtures with their stems.
        model: separates them.
        stems: names of the stems that are scored.
        perceptual: deep similarity.
        cost: rough core-seconds a case takes.
        window_seconds: length of the frames of `sdr_db`.
        hop_seconds: from the beginning of a frame to that of the next.
    """

    name: str
    dataset: Dataset[Stems]
    model: Model[SourceSeparator]
    stems: tuple[str, ...] = ("vocals", "accompaniment")
    perceptual: PerceptualMetric = field(default_factory=Cdpam)
    cost: float = 40.0
    window_seconds: float = _SECOND
    hop_seconds: float = _SECOND

    def __post_init__(self) -> None:
        """Refuse a task without stems."""
        if not self.stems or len(set(self.stems)) != len(self.stems):
            raise MetricError(f"task {self.name}: stems {self.stems} are none or not distinct")

    @property
    def kind(self) -> str:
        """`source_separation`."""
        return "source_separation"

    @property
    def modality(self) -> Modality:
        """Audio."""
        return "audio"

    @property
    def scores(self) -> tuple[Metric, ...]:
        """SDR over all stems, of each stem, and the others."""
        stems = (stem_sdr_metric(stem) for stem in self.stems)
        return (SDR_DB, *stems, GLOBAL_SDR_DB, MAGNITUDE_SDR_DB, MIXTURE_SDR_DB)

    def identity(self) -> dict[str, str]:
        """The kind of task, the stems and the model's identity."""
        found = {"task": self.kind, "stems": " ".join(self.stems), **self.model.identity()}
        if (self.window_seconds, self.hop_seconds) != (_SECOND, _SECOND):
            found["frames"] = f"{self.window_seconds:g} s every {self.hop_seconds:g} s"
        return found

    def assets(self) -> tuple[str, ...]:
        """Of dataset, model and metric."""
        return assets_of(self.dataset, self.model, self.perceptual)

    def load(self, device: str) -> Evaluator:
        """Bring the model into memory. Raises AssetError or ModelError."""
        return _Evaluator(self, self.model.load(device))

    def tallies(self, statistics: Sequence[Mapping[str, Any]]) -> dict[str, Tally]:
        """Of each score; its value is infinite where a ratio is.

        Raises:
            MetricError: no samples, statistics that lack a field, or a score that silence leaves
                without any value.
        """
        frames = column(statistics, _FRAMES)
        by_stem = {
            stem_sdr_metric(stem).name: [_frame_mean(row, stem) for row in frames]
            for stem in self.stems
        }
        values = {
            SDR_DB.name: [self._stem_mean(row, _frame_mean) for row in frames],
            **by_stem,
            GLOBAL_SDR_DB.name: self._of_clips(column(statistics, _GLOBAL)),
            MAGNITUDE_SDR_DB.name: self._of_clips(column(statistics, _MAGNITUDE)),
            MIXTURE_SDR_DB.name: [decode_db(v) for v in column(statistics, _MIXTURE)],
        }
        return {name: _tally(name, of_samples) for name, of_samples in values.items()}

    def worse(self, baseline: Mapping[str, Any], candidate: Mapping[str, Any]) -> float:
        """Fall of the SDR over the whole clip, mean of the stems."""
        before = self._stem_mean(baseline[_GLOBAL], _single)
        after = self._stem_mean(candidate[_GLOBAL], _single)
        if before is None or after is None or before == after:
            return 0.0
        return before - after

    def describe(self, statistics: Mapping[str, Any]) -> str:
        """`vocals 11.52 dB, accompaniment 11.20 dB, mixture 8.10 dB`: over the whole clip."""
        parts = {**{stem: statistics[_GLOBAL].get(stem) for stem in self.stems}}
        parts["mixture"] = statistics[_MIXTURE]
        return ", ".join(f"{name} {_shown(decode_db(value))}" for name, value in parts.items())

    def _of_clips(self, rows: Sequence[Mapping[str, Any]]) -> list[float | None]:
        return [self._stem_mean(row, _single) for row in rows]

    def _stem_mean(
        self,
        row: Mapping[str, Any],
        value: Callable[[Mapping[str, Any], str], float | None],
    ) -> float | None:
        return mean_db([value(row, stem) for stem in self.stems])


def _single(row: Mapping[str, Any], stem: str) -> float | None:
    return decode_db(_of_stem(row, stem))


def _frame_mean(row: Mapping[str, Any], stem: str) -> float | None:
    return mean_db([decode_db(value) for value in _of_stem(row, stem)])


def _of_stem(row: Mapping[str, Any], stem: str) -> Any:
    if stem not in row:
        raise MetricError(f"a sample's statistics have no stem {stem!r}, only {', '.join(row)}")
    return row[stem]


def _tally(name: str, values: Sequence[float | None]) -> Tally:
    if all(value is None for value in values):
        raise MetricError(
            f"{name}: none of the {len(values)} samples has a frame in which every stem and every "
            "estimate sounds, so it is not defined"
        )
    return mean_tally(values, name)


def _shown(value: float | None) -> str:
    if value is None:
        return "silent"
    return EXACT if value == math.inf else f"{value:.2f} dB"


class _Evaluator:
    """The task with its separator in memory."""

    def __init__(self, task: SourceSeparation, separator: SourceSeparator) -> None:
        self._task = task
        self._separator = separator

    def evaluate(
        self, signals: Sequence[Signal], samples: Sequence[Sample[Stems]]
    ) -> list[Statistics]:
        """Separate each signal and compare the stems with the true ones.

        Raises:
            MetricError: signals that are not audio or of different form.
            SignalError: audio that the model cannot take.
            ModelError: the separator failed, or gave other stems or forms.
            DatasetError: a sample that lacks a stem.
        """
        return [
            self._evaluate(signal, sample) for signal, sample in zip(signals, samples, strict=True)
        ]

    def _evaluate(self, signal: Signal, sample: Sample[Stems]) -> Statistics:
        where = f"task {self._task.name}, sample {sample.sample_id}"
        if not isinstance(signal, Audio) or not isinstance(sample.signal, Audio):
            raise MetricError(f"{where}: separates audio, not {type(signal).__name__}")
        references = self._references(sample)
        try:
            estimates = self._separator.separate(signal)
        except MpqError:
            raise
        except Exception as exc:
            raise ModelError(f"{where}: the separator failed: {exc}") from exc
        try:
            frames = framewise_sdr_db(
                references,
                estimates,
                window_seconds=self._task.window_seconds,
                hop_seconds=self._task.hop_seconds,
            )
        except MetricError as exc:
            raise ModelError(f"{where}: {exc}") from exc
        pairs = {stem: (references[stem], estimates[stem]) for stem in self._task.stems}
        return {
            _FRAMES: {stem: [encode_db(v) for v in values] for stem, values in frames.items()},
            _GLOBAL: {stem: _ratio(sdr_db, *pair) for stem, pair in pairs.items()},
            _MAGNITUDE: {stem: _ratio(magnitude_sdr_db, *pair) for stem, pair in pairs.items()},
            _MIXTURE: _ratio(sdr_db, sample.signal, signal),
        }

    def _references(self, sample: Sample[Stems]) -> dict[str, Audio]:
        where = f"{self._task.dataset.name}, sample {sample.sample_id}"
        if not isinstance(sample.reference, Mapping):
            kind = type(sample.reference).__name__
            raise DatasetError(f"{where}: the reference is {kind}, not stems by name")
        missing = [stem for stem in self._task.stems if stem not in sample.reference]
        if missing:
            raise DatasetError(
                f"{where} has no stem {missing[0]!r}, only {', '.join(sample.reference)}; name "
                f"the stems to score in task {self._task.name}"
            )
        return {stem: sample.reference[stem] for stem in self._task.stems}


def _ratio(
    function: Callable[[Audio, Audio], float], reference: Audio, estimate: Audio
) -> float | str | None:
    """The ratio for the statistics; None where the reference is silent."""
    if not reference.samples.any():
        return None
    return encode_db(function(reference, estimate))
