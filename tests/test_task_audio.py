"""The two audio tasks, with toy models for the rules and the real ones for one sample."""

import json
import math
import pickle
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from metric_cases import noisy

from mpq_checks.aggregate import aggregate_scores
from mpq_checks.datasets.base import Sample
from mpq_checks.datasets.ljspeech_mini import LjspeechMini
from mpq_checks.datasets.music_mini import MusicMini
from mpq_checks.errors import DatasetError, MetricError, ModelError, SignalError
from mpq_checks.evidence import decode_floats, encode_floats, round_floats
from mpq_checks.metrics.wer import AsWritten
from mpq_checks.models.spleeter import Spleeter
from mpq_checks.models.whisper import OpenAIWhisper
from mpq_checks.signals import Audio, Image
from mpq_checks.tasks.source_separation import SourceSeparation
from mpq_checks.tasks.speech_recognition import SpeechRecognition

RATE = 1000


@dataclass(frozen=True)
class ToyModel:
    """Says or separates what it is told to."""

    answer: Any = ""
    nll: float = 3.0

    def identity(self) -> dict[str, str]:
        return {"answer": repr(self.answer)}

    def assets(self) -> tuple[str, ...]:
        return ("toy-weights",)

    def load(self, device: str) -> Any:
        assert device == "cpu"
        return self

    def transcribe(self, audio: Audio) -> str:
        if isinstance(self.answer, Exception):
            raise self.answer
        return str(self.answer)

    def reference_nll(self, audio: Audio, transcript: str) -> tuple[float, int]:
        return self.nll, len(transcript.split()) + 1

    def separate(self, mixture: Audio) -> Mapping[str, Audio]:
        if isinstance(self.answer, Exception):
            raise self.answer
        return dict(self.answer(mixture))


def _speech_task(answer: Any = "a b c") -> SpeechRecognition:
    return SpeechRecognition("toy-speech", LjspeechMini(), ToyModel(answer), normaliser=AsWritten())


def _noise(seed: int, seconds: float = 2.5) -> Audio:
    rng = np.random.default_rng(seed)
    return Audio(rng.normal(0, 0.1, (2, round(seconds * RATE))).astype(np.float32), RATE)


def _song(seed: int = 0) -> Sample[Any]:
    stems = {"vocals": _noise(seed), "accompaniment": _noise(seed + 1)}
    mixture = Audio(stems["vocals"].samples + stems["accompaniment"].samples, RATE)
    return Sample(f"song-{seed}", "0" * 64, mixture, stems)


def _separation(answer: Any, **settings: Any) -> SourceSeparation:
    return SourceSeparation("toy-music", MusicMini(), ToyModel(answer), **settings)


def _mixture_as_both(mixture: Audio) -> dict[str, Audio]:
    return {"vocals": mixture, "accompaniment": mixture}


def _spoken(text: str) -> Sample[str]:
    return Sample("clip", "0" * 64, _noise(1), text)


def _one(task: Any, signal: Any, sample: Sample[Any]) -> dict[str, Any]:
    (statistics,) = task.load("cpu").evaluate([signal], [sample])
    # They must come through JSON and the rounding of evidence rows unchanged in meaning.
    stored = decode_floats(json.loads(json.dumps(encode_floats(round_floats(statistics)))))
    assert json.dumps(statistics, allow_nan=False)
    assert stored.keys() == statistics.keys()
    return dict(stored)


def test_speech_statistics_and_scores() -> None:
    task = _speech_task("a x c")
    statistics = _one(task, _noise(1), _spoken("a b c"))
    assert statistics == {
        "errors": 1,
        "words": 3,
        "nll_sum": 3.0,
        "tokens": 4,
        "hypothesis": "a x c",
    }
    assert aggregate_scores(task, [statistics]) == {"wra": pytest.approx(2 / 3), "token_nll": 0.75}
    assert task.describe(statistics) == '1 errors in 3 words: "a x c"'


def test_speech_normaliser_is_configurable() -> None:
    from mpq_checks.metrics.wer import WhisperEnglish

    written = _speech_task("Colour")
    normal = replace(written, normaliser=WhisperEnglish())
    assert _one(written, _noise(1), _spoken("color"))["errors"] == 1
    assert written.identity() != normal.identity()
    assert "whisper-english-spelling" in normal.assets()
    assert "whisper-english-spelling" not in written.assets()


_SPEECH_ROWS = st.lists(
    st.tuples(st.integers(0, 40), st.integers(1, 30), st.integers(0, 9000), st.integers(1, 40)),
    min_size=1,
    max_size=10,
)


@given(_SPEECH_ROWS, _SPEECH_ROWS)
@settings(deadline=None, max_examples=50)
def test_speech_pools_exactly(left: list[Any], right: list[Any]) -> None:
    task = _speech_task()
    rows = [
        {"errors": e, "words": w, "nll_sum": nll / 8, "tokens": t, "hypothesis": ""}
        for e, w, nll, t in (*left, *right)
    ]
    values = aggregate_scores(task, rows)
    assert values["wra"] == 1 - sum(r["errors"] for r in rows) / sum(r["words"] for r in rows)
    assert values["token_nll"] == sum(r["nll_sum"] for r in rows) / sum(r["tokens"] for r in rows)
    assert values == aggregate_scores(task, rows[::-1])


def test_speech_ranks_lost_words_first() -> None:
    task = _speech_task()
    good = {"errors": 0, "words": 10, "nll_sum": 2.0, "tokens": 10, "hypothesis": ""}
    lost = {**good, "errors": 1}
    unsure = {**good, "nll_sum": 20.0}
    assert task.worse(good, lost) > task.worse(good, unsure) > task.worse(good, good) == 0
    assert task.worse(lost, good) < 0


def test_speech_bad_input() -> None:
    with pytest.raises(MetricError, match="no words"):
        _one(_speech_task(), _noise(1), _spoken(" "))
    with pytest.raises(ModelError, match=r"toy-speech, sample clip.*boom"):
        _one(_speech_task(ValueError("boom")), _noise(1), _spoken("a"))
    with pytest.raises(SignalError, match="30 s"):
        _one(_speech_task(SignalError("more than 30 s")), _noise(1), _spoken("a"))
    image = Image(np.zeros((2, 2, 3), np.uint8))
    with pytest.raises(MetricError, match="recognises audio, not Image"):
        _one(_speech_task(), image, _spoken("a"))
    with pytest.raises(DatasetError, match="is int, not a transcript"):
        _one(_speech_task(), _noise(1), Sample("clip", "0" * 64, _noise(1), 7))  # type: ignore[arg-type]


@pytest.mark.parametrize("task", [_speech_task(), _separation(None)])
def test_no_samples_and_missing_fields_are_refused(task: Any) -> None:
    with pytest.raises(MetricError, match="no samples"):
        aggregate_scores(task, [])
    with pytest.raises(MetricError, match="lack"):
        aggregate_scores(task, [{}])


@pytest.mark.parametrize(
    "task",
    [
        SpeechRecognition("ljspeech-mini", LjspeechMini(), OpenAIWhisper()),
        SourceSeparation("music-mini", MusicMini(), Spleeter()),
    ],
)
def test_tasks_are_plain_data(task: Any) -> None:
    assert pickle.loads(pickle.dumps(task)) == task  # noqa: S301
    assert hash(task) == hash(replace(task))
    assert task.modality == "audio"
    assert task.cost > 0
    assert set(task.assets()) > set(task.dataset.assets()) | {"cdpam"}
    assert all(isinstance(value, str) for value in task.identity().values())
    assert json.dumps(task.identity())
    assert len({metric.name for metric in task.scores}) == len(task.scores)


def test_separation_of_the_mixture_itself() -> None:
    task = _separation(_mixture_as_both)
    sample = _song()
    statistics = _one(task, sample.signal, sample)
    assert statistics["mixture_db"] == "exact"
    assert [len(frames) for frames in statistics["frames_db"].values()] == [2, 2]
    values = aggregate_scores(task, [statistics])
    assert list(values) == [metric.name for metric in task.scores]
    assert values["mixture_sdr_db"] == math.inf
    # Two stems of equal loudness: what is left of the other is as loud as the stem.
    for name in ("sdr_db", "vocals_sdr_db", "accompaniment_sdr_db", "global_sdr_db"):
        assert values[name] == pytest.approx(0, abs=0.5)
    assert "mixture exact" in task.describe(statistics)


def test_separation_is_exact_where_the_stems_are() -> None:
    sample = _song()
    task = _separation(lambda mixture: sample.reference)
    values = aggregate_scores(task, [_one(task, sample.signal, sample)])
    assert set(values.values()) == {math.inf}
    noise = noisy(sample.signal, 0.01)
    assert aggregate_scores(task, [_one(task, noise, sample)])["mixture_sdr_db"] == pytest.approx(
        23, abs=1
    )


@given(
    st.lists(
        st.tuples(
            st.lists(st.one_of(st.none(), st.integers(-200, 300)), min_size=1, max_size=4),
            st.integers(-200, 300),
        ),
        min_size=1,
        max_size=8,
    )
)
@settings(deadline=None, max_examples=60)
def test_separation_means_over_frames_then_stems_then_samples(rows: list[Any]) -> None:
    task = _separation(None)
    statistics = [
        {
            "frames_db": {
                "vocals": frames,
                "accompaniment": [7 if f is not None else f for f in frames],
            },
            "global_db": {"vocals": value, "accompaniment": 3.0},
            "magnitude_db": {"vocals": value + 1, "accompaniment": None},
            "mixture_db": value,
        }
        for frames, value in rows
    ]
    means = [
        np.mean([f for f in frames if f is not None])
        for frames, _ in rows
        if any(f is not None for f in frames)
    ]
    if not means:
        with pytest.raises(MetricError, match="sdr_db: none of the"):
            aggregate_scores(task, statistics)
        return
    values = aggregate_scores(task, statistics)
    assert values["vocals_sdr_db"] == pytest.approx(np.mean(means))
    assert values["accompaniment_sdr_db"] == pytest.approx(7)
    assert values["sdr_db"] == pytest.approx((np.mean(means) + 7) / 2)
    assert values["global_sdr_db"] == pytest.approx(np.mean([(v + 3) / 2 for _, v in rows]))
    assert values["magnitude_sdr_db"] == pytest.approx(np.mean([v + 1 for _, v in rows]))
    assert values["mixture_sdr_db"] == pytest.approx(np.mean([v for _, v in rows]))


def test_silence_is_left_out_and_not_hidden() -> None:
    sample = _song()
    task = _separation(lambda mixture: dict.fromkeys(sample.reference, mixture))
    sample.reference["vocals"].samples[:, :RATE] = 0
    statistics = _one(task, sample.signal, sample)
    assert statistics["frames_db"]["accompaniment"][0] is None
    assert statistics["frames_db"]["accompaniment"][1] is not None
    sample.reference["vocals"].samples[:] = 0
    statistics = _one(task, sample.signal, sample)
    assert statistics["global_db"]["vocals"] is None
    with pytest.raises(MetricError, match="not defined"):
        aggregate_scores(task, [statistics])
    # One silent song leaves the others' values as they are.
    other = _one(task, _song(5).signal, _song(5))
    pooled = aggregate_scores(task, [statistics, other])
    assert pooled["vocals_sdr_db"] == aggregate_scores(task, [other])["vocals_sdr_db"]


def test_separation_ranks_by_the_whole_clip() -> None:
    task = _separation(_mixture_as_both)
    sample = _song()
    clean = _one(task, sample.signal, sample)
    harmed = _one(task, noisy(sample.signal, 0.1), sample)
    assert task.worse(clean, harmed) > 1
    assert task.worse(harmed, clean) == -task.worse(clean, harmed)
    assert task.worse(clean, clean) == 0


def test_separation_bad_input() -> None:
    sample = _song()
    with pytest.raises(ModelError, match=r"toy-music, sample song-0.*boom"):
        _one(_separation(RuntimeError("boom")), sample.signal, sample)
    with pytest.raises(ModelError, match="gave no accompaniment, only vocals"):
        _one(_separation(lambda m: {"vocals": m}), sample.signal, sample)
    short = _noise(3, seconds=1)
    with pytest.raises(ModelError, match="1000 samples"):
        _one(_separation(lambda m: _mixture_as_both(short)), sample.signal, sample)
    with pytest.raises(DatasetError, match="no stem 'drums'"):
        _one(_separation(_mixture_as_both, stems=("drums",)), sample.signal, sample)
    with pytest.raises(DatasetError, match="reference is str"):
        _one(_separation(_mixture_as_both), sample.signal, _spoken("a"))
    with pytest.raises(MetricError, match="separates audio, not Image"):
        _one(_separation(_mixture_as_both), Image(np.zeros((2, 2, 3), np.uint8)), sample)
    with pytest.raises(MetricError, match="stems"):
        _separation(None, stems=())
    with pytest.raises(MetricError, match="no stem 'bass'"):
        aggregate_scores(
            _separation(None, stems=("bass",)),
            [
                {
                    "frames_db": {"vocals": [1.0]},
                    "global_db": {},
                    "magnitude_db": {},
                    "mixture_db": 1,
                }
            ],
        )


@pytest.mark.assets
def test_whisper_end_to_end() -> None:
    task = SpeechRecognition("ljspeech-mini", LjspeechMini(), OpenAIWhisper())
    sample = task.dataset.load("LJ001-0024")
    evaluator = task.load("cpu")
    (clean,) = evaluator.evaluate([sample.signal], [sample])
    assert isinstance(sample.signal, Audio)
    (harmed,) = evaluator.evaluate([noisy(sample.signal, 0.3)], [sample])
    # All in brackets, with a year: only the normaliser makes this few errors.
    assert clean["words"] == 19
    assert clean["errors"] <= 3
    assert harmed["errors"] > clean["errors"]
    assert task.worse(clean, harmed) > 0


@pytest.mark.assets
def test_spleeter_end_to_end() -> None:
    task = SourceSeparation("music-mini", MusicMini(), Spleeter())
    sample = task.dataset.load("small-things-22")
    evaluator = task.load("cpu")
    assert isinstance(sample.signal, Audio)
    shifted = Audio(np.roll(sample.signal.samples, 64, axis=1), sample.signal.sample_rate)
    clean, late = evaluator.evaluate([sample.signal, shifted], [sample, sample])
    before, after = aggregate_scores(task, [clean]), aggregate_scores(task, [late])
    assert before["sdr_db"] == pytest.approx(11, abs=1)
    assert before["mixture_sdr_db"] == math.inf
    # A shift of 64 samples is heard in every waveform, hardly in the magnitudes.
    for name in ("sdr_db", "vocals_sdr_db", "accompaniment_sdr_db", "global_sdr_db"):
        assert after[name] < before[name] - 8
    assert after["mixture_sdr_db"] < 2
    assert after["magnitude_sdr_db"] > after["global_sdr_db"] + 5
