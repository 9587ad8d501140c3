"""Code chosen samples once more and keep what can be seen, heard and read."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from mpq_checks.datasets.base import Sample
from mpq_checks.errors import MpqError
from mpq_checks.exhibits.choice import chosen_samples
from mpq_checks.exhibits.media import flac, outlined, spectrogram_png, webp
from mpq_checks.exhibits.words import Word, compared_words
from mpq_checks.profiles.base import Case, Profile
from mpq_checks.signals import Audio, Signal
from mpq_checks.tasks.base import Evaluator, PredictsMasks, Task
from mpq_checks.tasks.speech_recognition import SpeechRecognition

__all__ = ["Exhibit", "Shown", "make_exhibits"]

_NUM_IMAGES = 4
_NUM_SOUNDS = 2
_SIDE = 224
_SECONDS = 4.0
_MAX_BYTES = 7_500_000
"""Of all media of a report; in base64 they are a third larger."""


@dataclass(frozen=True)
class Shown:
    """A sample under one codec.

    Attributes:
        codec: its name; `none` and its like are the original.
        picture: lossless WebP of an image, PNG of a spectrogram.
        overlay: the picture with the borders of true and predicted mask; empty without masks.
        sound: FLAC; empty for images.
        as_measured: whether the decoded signal has the hash that the evidence records.
        words: the transcript beside the reference; empty but for speech.
        error: why there is nothing to see, else empty.
    """

    codec: str
    picture: bytes = b""
    overlay: bytes = b""
    sound: bytes = b""
    as_measured: bool = True
    words: tuple[Word, ...] = ()
    error: str = ""

    @property
    def num_bytes(self) -> int:
        """Of all media."""
        return len(self.picture) + len(self.overlay) + len(self.sound)


@dataclass(frozen=True)
class Exhibit:
    """A sample of a task, as it is and under each codec.

    Attributes:
        task: its name.
        sample_id: of the sample.
        reference: what is true of it, where that can be written: a class index or a transcript.
        shown: the original, then the codecs in the order of the cases.
    """

    task: str
    sample_id: str
    reference: str
    shown: tuple[Shown, ...]


def make_exhibits(
    profile: Profile, document: Mapping[str, Any], device: str = "cpu"
) -> tuple[Exhibit, ...]:
    """Exhibits of each task of the run, within a bound of bytes.

    What cannot be shown says why in `Shown.error`; nothing here fails a run.

    Args:
        profile: the profile that the run had.
        document: its results.
        device: where models run.
    """
    made: list[Exhibit] = []
    left = _MAX_BYTES
    # The first sample of each task before the second of any.
    for place in range(max(_NUM_IMAGES, _NUM_SOUNDS)):
        for task in document["tasks"]:
            exhibit = _nth(profile, document, task, place, device)
            if exhibit is None:
                continue
            size = sum(shown.num_bytes for shown in exhibit.shown)
            if size <= left:
                made.append(exhibit)
                left -= size
    order = list(document["tasks"])
    return tuple(sorted(made, key=lambda exhibit: order.index(exhibit.task)))


def _nth(
    profile: Profile, document: Mapping[str, Any], task: str, place: int, device: str
) -> Exhibit | None:
    number = _NUM_IMAGES if document["tasks"][task]["modality"] == "image" else _NUM_SOUNDS
    chosen = chosen_samples(document, task, number)
    if place >= len(chosen):
        return None
    sides = _measured(document, task, chosen[place])
    cases = [case for case in profile.cases if case.task.name == task and case.codec.name in sides]
    return _exhibit(cases, chosen[place], sides, device) if cases else None


def _measured(document: Mapping[str, Any], task: str, sample_id: str) -> dict[str, Any]:
    """What was measured of a sample now, by codec."""
    return {
        case["codec"]: sample["now"]
        for case in document["cases"]
        if case["task"] == task
        for sample in case["samples"]
        if sample["sample_id"] == sample_id
    }


def _exhibit(cases: list[Case], sample_id: str, sides: Mapping[str, Any], device: str) -> Exhibit:
    task = cases[0].task
    try:
        sample = task.dataset.load(sample_id)
        evaluator = task.load(device) if task.kind == "segmentation" else None
    except MpqError as error:
        shown = (Shown(cases[0].codec.name, error=str(error)),)
        return Exhibit(task.name, sample_id, "", shown)
    ordered = sorted(cases, key=lambda case: case.codec.nominal_rate is None)
    return Exhibit(
        task.name,
        sample_id,
        str(sample.reference) if isinstance(sample.reference, (str, int)) else "",
        tuple(_all_shown(ordered, sample, sides, evaluator)),
    )


def _all_shown(
    cases: list[Case],
    sample: Sample[Any],
    sides: Mapping[str, Any],
    evaluator: Evaluator | None,
) -> Iterator[Shown]:
    for case in cases:
        side = sides[case.codec.name]
        try:
            yield _shown(case, sample, side, evaluator)
        except Exception as error:  # a foreign codec or model may raise anything
            yield Shown(case.codec.name, error=f"{type(error).__name__}: {error}")


def _shown(
    case: Case, sample: Sample[Any], side: Mapping[str, Any], evaluator: Evaluator | None
) -> Shown:
    codec: Any = case.codec  # of the sample's modality, as the profile has checked
    decoded: Signal = codec.decode(codec.encode(sample.signal))
    shown = Shown(
        case.codec.name,
        as_measured=decoded.sha256() == side["decoded_sha256"],
        words=_words(case.task, sample, side),
    )
    if isinstance(decoded, Audio):
        return replace(
            shown, picture=spectrogram_png(decoded, _SECONDS), sound=flac(decoded, _SECONDS)
        )
    overlay = b""
    if isinstance(evaluator, PredictsMasks):
        prediction = evaluator.predicted_mask(decoded, sample)
        overlay = webp(outlined(decoded, sample.reference, prediction), _SIDE)
    return replace(shown, picture=webp(decoded, _SIDE), overlay=overlay)


def _words(task: Task, sample: Sample[Any], side: Mapping[str, Any]) -> tuple[Word, ...]:
    hypothesis = side["statistics"].get("hypothesis")
    if not isinstance(task, SpeechRecognition) or not isinstance(hypothesis, str):
        return ()
    return compared_words(sample.reference, hypothesis, task.normaliser)
