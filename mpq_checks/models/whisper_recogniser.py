"""What all Whisper models share once they are in memory: hearing, writing, scoring."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from mpq_checks.codecs.resampling import resample
from mpq_checks.errors import ModelError, SignalError
from mpq_checks.models.precision import batches, exact_kernels
from mpq_checks.signals import Audio

__all__ = ["DECODING", "SAMPLE_RATE", "WhisperRecogniser", "WhisperText"]

SAMPLE_RATE = 16000
"""What Whisper hears, in Hz."""

DECODING = "greedy, temperature 0, no timestamps, no fallback, no chunking"
"""How text is decoded, for identities."""

_MAX_SECONDS = 30


@dataclass(frozen=True)
class WhisperText:
    """Text to tokens and back, and the tokens that steer the decoder.

    Where there are `languages`, the likeliest of these tokens takes the second place of `prefix`.
    """

    encode: Callable[[str], list[int]]
    decode: Callable[[Sequence[int]], str]
    prefix: tuple[int, ...]
    end: int
    barred: tuple[int, ...]
    barred_first: tuple[int, ...]
    languages: tuple[int, ...] = ()


class WhisperRecogniser:
    """A Whisper model in memory."""

    def __init__(
        self, model: Any, features: Any, text: WhisperText, device: str, batch_size: int = 1
    ) -> None:
        self.batch_size = batch_size
        self._model = model
        self._features = features
        self._text = text
        self._device = device
        self._heard: tuple[list[Audio], Any] = ([], None)

    def transcribe(self, audio: Audio) -> str:
        """Greedy transcript, as the model writes it, without space at the ends.

        Raises:
            SignalError: longer than 30 s.
        """
        return self.transcribe_batch([audio])[0]

    def transcribe_batch(self, audios: Sequence[Audio]) -> list[str]:
        """The same of several clips, `batch_size` at once. Raises as `transcribe` does."""
        import torch

        transcripts: list[str] = []
        for group, num_real in batches(audios, self.batch_size):
            with torch.inference_mode(), exact_kernels(self._device):
                encoded = self._encode(group)
                rows = self._decode(encoded, self._prefixes(encoded))[:num_real]
            transcripts += [self._text.decode(tokens).strip() for tokens in rows]
        return transcripts

    def reference_nll(self, audio: Audio, transcript: str) -> tuple[float, int]:
        """Teacher-forced negative log-likelihood of the transcript, no token barred.

        The transcript begins with a space, as Whisper writes, and ends with the end-of-text
        token, which counts as one of the tokens: that it ends there is part of being right.

        Returns:
            Sum in nats, and the number of tokens.

        Raises:
            SignalError: longer than 30 s.
            ModelError: an empty transcript, or one longer than the model can write.
        """
        return self.reference_nll_batch([audio], [transcript])[0]

    def reference_nll_batch(
        self, audios: Sequence[Audio], transcripts: Sequence[str]
    ) -> list[tuple[float, int]]:
        """The same of several clips, heard `batch_size` at once and scored one by one."""
        import torch

        tokens = [self._reference_tokens(transcript) for transcript in transcripts]
        found: list[tuple[float, int]] = []
        for group, num_real in batches(audios, self.batch_size):
            with torch.inference_mode(), exact_kernels(self._device):
                encoded = self._encode(group)
                prefixes = self._prefixes(encoded)
                for row in range(num_real):
                    one, wanted = encoded[row : row + 1], tokens[len(found)]
                    found.append((self._nll(one, prefixes[row], wanted), len(wanted)))
        return found

    def _decode(self, encoded: Any, prefixes: list[list[int]]) -> list[list[int]]:
        """Greedy tokens of each row, up to the end of its text."""
        import torch

        text = self._text
        rows: list[list[int]] = [[] for _ in prefixes]
        writing = set(range(len(rows)))
        step, past = prefixes, None
        for place in range(self._model.config.max_target_positions // 2):
            output = self._model(
                encoder_outputs=(encoded,),
                decoder_input_ids=torch.tensor(step, device=self._device),
                cache=past,
                use_cache=True,
            )
            logits, past = output.logits[:, -1], output.cache
            logits[:, list(text.barred)] = -torch.inf
            if place == 0:
                logits[:, list(text.barred_first)] = -torch.inf
            best: list[int] = logits.argmax(-1).tolist()
            writing -= {row for row in writing if best[row] == text.end}
            if not writing:
                break
            for row in writing:
                rows[row].append(best[row])
            step = [[token] for token in best]  # of a finished row whatever it would go on with
        return rows

    def _nll(self, encoded: Any, prefix: list[int], tokens: list[int]) -> float:
        import torch

        logits = self._model(
            encoder_outputs=(encoded,),
            decoder_input_ids=torch.tensor([[*prefix, *tokens[:-1]]], device=self._device),
            use_cache=False,
        ).logits[0, len(prefix) - 1 :]
        log_p = torch.log_softmax(logits.double(), dim=-1)
        chosen = log_p[torch.arange(len(tokens)), torch.tensor(tokens)]
        return max(0.0, -float(chosen.sum()))

    def _reference_tokens(self, transcript: str) -> list[int]:
        words = transcript.strip()
        if not words:
            raise ModelError("the transcript is empty; leave the sample out")
        tokens = [*self._text.encode(f" {words}"), self._text.end]
        most = self._model.config.max_target_positions - len(self._text.prefix)
        if len(tokens) - 1 > most:
            raise ModelError(
                f"the transcript has {len(tokens)} tokens, Whisper writes at most {most}; "
                "cut the sample"
            )
        return tokens

    def _prefixes(self, encoded: Any) -> list[list[int]]:
        """The tokens that begin each row's text, with the language it seems to be in."""
        import torch

        prefix, languages = list(self._text.prefix), list(self._text.languages)
        if not languages:
            return [prefix] * len(encoded)
        logits = self._model(
            encoder_outputs=(encoded,),
            decoder_input_ids=torch.tensor([prefix[:1]] * len(encoded), device=self._device),
            use_cache=False,
        ).logits[:, -1]
        best = logits[:, languages].argmax(-1).tolist()
        return [[prefix[0], languages[place], *prefix[2:]] for place in best]

    def _encode(self, audios: list[Audio]) -> Any:
        """The encoder's output, remembered for the next call on the same clips."""
        import torch

        heard, encoded = self._heard
        same = len(heard) == len(audios)
        if same and all(a is b for a, b in zip(heard, audios, strict=True)):
            return encoded
        features = self._features(
            [_mono(audio) for audio in audios], sampling_rate=SAMPLE_RATE, return_tensors="np"
        ).input_features
        inputs = torch.from_numpy(np.asarray(features, dtype=np.float32))
        inputs = inputs.to(self._device, self._model.dtype)
        encoded = self._model.model.encoder(inputs).last_hidden_state
        self._heard = (audios, encoded)
        return encoded


def _mono(audio: Audio) -> npt.NDArray[np.float32]:
    """Mean of the channels at 16 kHz."""
    seconds = audio.num_samples / audio.sample_rate
    if seconds > _MAX_SECONDS:
        raise SignalError(
            f"audio of {seconds:.1f} s is longer than the {_MAX_SECONDS} s that Whisper hears; "
            "cut it into shorter samples"
        )
    mono = audio.samples.mean(axis=0, keepdims=True)
    return np.asarray(resample(mono, audio.sample_rate, SAMPLE_RATE)[0], dtype=np.float32)
