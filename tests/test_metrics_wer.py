"""Word errors against jiwer, a Levenshtein table and known pairs of Whisper's normaliser."""

import jiwer
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mpq_checks.errors import MetricError
from mpq_checks.metrics.wer import (
    TOKEN_NLL,
    WRA,
    AsWritten,
    WhisperEnglish,
    pooled,
    word_errors,
    word_recognition_accuracy,
)

_WORDS = st.lists(st.sampled_from(["a", "b", "ship", "sheep", "ton"]), max_size=8)
_COUNTS = st.lists(st.tuples(st.integers(0, 90), st.integers(1, 60)), min_size=1, max_size=12)


def _levenshtein(said: list[str], heard: list[str]) -> int:
    row = list(range(len(heard) + 1))
    for i, left in enumerate(said, start=1):
        previous, row[0] = row[0], i
        for j, right in enumerate(heard, start=1):
            previous, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, previous + (left != right))
    return row[-1]


@given(said=_WORDS.filter(bool), heard=_WORDS)
@settings(deadline=None, max_examples=80)
def test_errors_are_the_edit_distance_of_words(said: list[str], heard: list[str]) -> None:
    reference, hypothesis = " ".join(said), " ".join(heard)
    errors, words = word_errors(reference, hypothesis, AsWritten())
    assert errors == _levenshtein(said, heard)
    assert words == len(said)
    assert errors / words == pytest.approx(jiwer.wer(reference, hypothesis))


@pytest.mark.parametrize(
    ("reference", "hypothesis", "errors"),
    [
        ("one two three", "one two three", 0),
        ("one two three", "one too three", 1),
        ("one two three", "one three", 1),
        ("one two three", "one two two three four", 2),
        ("one two three", "", 3),
        ("one two three", "  \n", 3),
        ("One two", "one two", 1),
    ],
)
def test_hand_worked_cases(reference: str, hypothesis: str, errors: int) -> None:
    assert word_errors(reference, hypothesis, AsWritten()) == (errors, len(reference.split()))


@pytest.mark.assets
@pytest.mark.parametrize(
    ("written", "normal"),
    [
        # From the tests of openai/whisper and the appendix of its paper.
        ("Let's", "let us"),
        ("he's like", "he is like"),
        ("she's been like", "she has been like"),
        ("10km", "10 km"),
        ("10mm", "10 mm"),
        ("RC232", "rc 232"),
        (
            "Mr. Park visited Assoc. Prof. Kim Jr.",
            "mister park visited associate professor kim junior",
        ),
        ("colour of the theatre", "color of the theater"),
        ("$20 million", "$20000000"),
        ("fourteen fifty-five", "1455"),
        ("Um, I mean: yes!", "i mean yes"),
        # Brackets are no remarks here.
        ("(which was printed [in 1462])", "which was printed in 1462"),
    ],
)
def test_known_normal_forms(written: str, normal: str) -> None:
    assert WhisperEnglish()(written) == normal


@pytest.mark.assets
def test_spelling_case_and_brackets_are_no_errors() -> None:
    reference = "But the first Bible (which also was printed in the year fourteen sixty-two)"
    hypothesis = "but the first bible, which also was printed in the year 1462."
    assert word_errors(reference, hypothesis, WhisperEnglish())[0] == 0
    assert word_errors(reference, hypothesis, AsWritten())[0] == 5


@pytest.mark.parametrize("reference", ["", "   "])
def test_a_reference_without_words_is_refused(reference: str) -> None:
    with pytest.raises(MetricError, match="no words"):
        word_errors(reference, "anything", AsWritten())


@pytest.mark.assets
def test_a_reference_that_normalises_to_nothing_is_refused() -> None:
    with pytest.raises(MetricError, match="Um, hmm"):
        word_errors("Um, hmm.", "anything", WhisperEnglish())


@given(_COUNTS, _COUNTS)
@settings(deadline=None, max_examples=50)
def test_corpora_pool_exactly(left: list[tuple[int, int]], right: list[tuple[int, int]]) -> None:
    both = [*left, *right]
    errors, words = zip(*both, strict=True)
    value = word_recognition_accuracy(errors, words)
    assert value == 1 - sum(errors) / sum(words)
    parts = [(sum(e for e, _ in part), sum(w for _, w in part)) for part in (left, right)]
    assert word_recognition_accuracy(*zip(*parts, strict=True)) == value


def test_accuracy_is_of_the_corpus_and_may_be_negative() -> None:
    assert word_recognition_accuracy([0, 5], [90, 10]) == pytest.approx(0.95)
    assert word_recognition_accuracy([30], [10]) == pytest.approx(-2.0)


@pytest.mark.parametrize(
    ("amounts", "counts"), [([], []), ([1.0], [0]), ([1.0, 2.0], [1]), ([float("nan")], [3])]
)
def test_pooling_refuses_what_has_no_value(amounts: list[float], counts: list[int]) -> None:
    with pytest.raises(MetricError, match="token_nll"):
        pooled(amounts, counts, TOKEN_NLL.name)


def test_directions() -> None:
    assert WRA.drop(0.95, 0.80) == pytest.approx(0.15)
    assert TOKEN_NLL.drop(0.5, 0.9) == pytest.approx(0.4)


@pytest.mark.assets
def test_normalisers_tell_themselves_apart() -> None:
    assert WhisperEnglish().identity() != AsWritten().identity()
    assert WhisperEnglish().assets() == ("whisper-english-spelling",)
    assert len({WhisperEnglish(), AsWritten(), WhisperEnglish()}) == 2
