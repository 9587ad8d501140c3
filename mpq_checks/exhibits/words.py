"""A transcript beside its reference, word by word."""

from dataclasses import dataclass

from mpq_checks.metrics.wer import Normaliser

__all__ = ["Word", "compared_words"]


@dataclass(frozen=True)
class Word:
    """Some words of the alignment that the word error rate counts.

    Attributes:
        kind: `equal`, `substitute`, `delete` or `insert`.
        reference: the words that were said; empty for an insertion.
        hypothesis: the words that were recognised; empty for a deletion.
    """

    kind: str
    reference: str
    hypothesis: str


def compared_words(reference: str, hypothesis: str, normaliser: Normaliser) -> tuple[Word, ...]:
    """Both texts after normalisation, aligned by jiwer."""
    import jiwer

    said, heard = normaliser(reference), normaliser(hypothesis)
    output = jiwer.process_words(said, heard)
    words, recognised = said.split(), heard.split()
    return tuple(
        Word(
            chunk.type,
            " ".join(words[chunk.ref_start_idx : chunk.ref_end_idx]),
            " ".join(recognised[chunk.hyp_start_idx : chunk.hyp_end_idx]),
        )
        for chunk in output.alignments[0]
    )
