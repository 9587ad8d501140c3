"""Word recognition accuracy, and the likelihood of the reference transcript."""

import functools
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any, Protocol

from mpq_checks.assets import asset_path, asset_sha256
from mpq_checks.errors import AssetCorruptError, MetricError
from mpq_checks.metrics.base import Metric
from mpq_checks.metrics.tally import Array, Sums, ratio, ratio_tally

__all__ = [
    "TOKEN_NLL",
    "WRA",
    "AsWritten",
    "Normaliser",
    "WhisperEnglish",
    "pooled",
    "word_errors",
    "word_recognition_accuracy",
    "wra_tally",
]

WRA = Metric("wra", "", higher_is_better=True, decimals=3)
TOKEN_NLL = Metric("token_nll", "nat/token", higher_is_better=False, decimals=3)

_SPELLING = "whisper-english-spelling"
_BRACKETS = re.compile(r"[()\[\]]")


class Normaliser(Protocol):
    """Makes two spellings of the same words equal: a frozen dataclass."""

    def identity(self) -> dict[str, str]:
        """What the normal form depends on."""

    def assets(self) -> tuple[str, ...]:
        """Names of the assets it needs."""

    def __call__(self, text: str) -> str:
        """The text in normal form, words separated by spaces."""


@dataclass(frozen=True)
class WhisperEnglish:
    """Whisper's English normaliser (Radford et al. 2022, appendix C), by transformers.

    It takes what stands in brackets for a remark and deletes it. Where people read such text
    aloud, that would be an error: brackets are replaced by spaces first.
    """

    def identity(self) -> dict[str, str]:
        """The spelling list and the library's version."""
        return {
            "normaliser": "Whisper English, brackets as spaces",
            "spelling_sha256": asset_sha256(_SPELLING),
            "transformers": version("transformers"),
        }

    def assets(self) -> tuple[str, ...]:
        """Names of the assets it needs."""
        return (_SPELLING,)

    def __call__(self, text: str) -> str:
        """The text in normal form. Raises AssetError."""
        normal: str = _whisper_normaliser(asset_path(_SPELLING))(_BRACKETS.sub(" ", text))
        return normal.strip()


@dataclass(frozen=True)
class AsWritten:
    """No normalisation but of spaces: case and punctuation count."""

    def identity(self) -> dict[str, str]:
        """Its name."""
        return {"normaliser": "none"}

    def assets(self) -> tuple[str, ...]:
        """None."""
        return ()

    def __call__(self, text: str) -> str:
        """The words, separated by single spaces."""
        return " ".join(text.split())


def word_errors(reference: str, hypothesis: str, normaliser: Normaliser) -> tuple[int, int]:
    """Substitutions, deletions and insertions (Levenshtein, by jiwer), and reference words.

    An empty hypothesis deletes every word.

    Raises:
        MetricError: a reference without words.
    """
    import jiwer

    said, heard = normaliser(reference), normaliser(hypothesis)
    if not said.split():
        raise MetricError(
            f"wra: the reference {reference!r} has no words once normalised; leave the sample out"
        )
    counts: Any = jiwer.process_words(said, heard)
    errors = counts.substitutions + counts.deletions + counts.insertions
    return int(errors), int(counts.hits + counts.substitutions + counts.deletions)


def word_recognition_accuracy(errors: Sequence[int], words: Sequence[int]) -> float:
    """1 - WER over a corpus: one minus all errors over all reference words.

    1 at best; below 0 where insertions outnumber what was recognised.

    Args:
        errors: of each sample.
        words: reference words of each sample.

    Raises:
        MetricError: no samples, or no words.
    """
    return wra_tally(errors, words).value()


def wra_tally(errors: Sequence[int], words: Sequence[int]) -> Sums:
    """What `word_recognition_accuracy` needs, and raises as it does."""
    return replace(ratio_tally(errors, words, WRA.name, events=True), combine=_accuracy)


def _accuracy(totals: Array) -> Array:
    return 1.0 - ratio(totals)


def pooled(amounts: Sequence[float], counts: Sequence[int], metric: str) -> float:
    """Sum of the amounts over the sum of the counts, as both scores are pooled over samples.

    Args:
        amounts: errors, or nats, of each sample.
        counts: words, or tokens, of each sample.
        metric: name, for messages.

    Raises:
        MetricError: lists of different length, counts that add up to nothing, or an amount that
            is not finite.
    """
    return ratio_tally(amounts, counts, metric).value()


@functools.cache
def _whisper_normaliser(spelling: Path) -> Any:
    from transformers.models.whisper.english_normalizer import EnglishTextNormalizer

    untyped: Any = EnglishTextNormalizer
    try:
        return untyped(json.loads(spelling.read_text(encoding="utf-8")))
    except (OSError, ValueError) as exc:
        raise AssetCorruptError(
            f"{spelling} cannot be read: {exc}; fetch {_SPELLING} anew"
        ) from exc
