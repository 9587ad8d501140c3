"""What all Whisper models share once they are in memory: hearing, writing, scoring."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from mpq_checks.codecs.resampling import resample
from mpq_checks.errors import ModelError, SignalError
from mpq_checks.signals import Audio

__all__ = ["DECODING", "SAMPLE_RATE", "WhisperRecogniser", "WhisperText"]

SAMPLE_RATE = 16000
"""What Whisper hears, in Hz."""

DECODING = "greedy, temperature 0, no timestamps, no fallback, no chunking"
"""How text is decoded, for identities."""

_MAX_SECONDS = 30


@dataclass(frozen=True)
class WhisperText:
    """Text to tokens and back, and the tokens that steer the decoder."""

    encode: Callable[[str], list[int]]
    decode: Callable[[Sequence[int]], str]
    prefix: tuple[int, ...]
    end: int
    barred: tuple[int, ...]
    barred_first: tuple[int, ...]


class WhisperRecogniser:
    """A Whisper model in memory."""

    def __init__(self, model: Any, features: Any, text: WhisperText, device: str) -> None:
        self._model = model
        self._features = features
        self._text = text
        self._device = device
        self._heard: tuple[Audio, Any] | None = None

    def transcribe(self, audio: Audio) -> str:
        """Greedy transcript, as the model writes it, without space at the ends.

        Raises:
            SignalError: longer than 30 s.
        """
        import torch

        text = self._text
        tokens: list[int] = []
        with torch.inference_mode():
            encoded = self._encode(audio)
            step, past = list(text.prefix), None
            for _ in range(self._model.config.max_target_positions // 2):
                output = self._model(
                    encoder_outputs=(encoded,),
                    decoder_input_ids=torch.tensor([step], device=self._device),
                    cache=past,
                    use_cache=True,
                )
                logits, past = output.logits[0, -1], output.cache
                logits[list(text.barred)] = -torch.inf
                if not tokens:
                    logits[list(text.barred_first)] = -torch.inf
                token = int(logits.argmax())
                if token == text.end:
                    break
                tokens.append(token)
                step = [token]
        return text.decode(tokens).strip()

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
        import torch

        words = transcript.strip()
        if not words:
            raise ModelError("the transcript is empty; leave the sample out")
        tokens = [*self._text.encode(f" {words}"), self._text.end]
        inputs = [*self._text.prefix, *tokens[:-1]]
        longest = self._model.config.max_target_positions
        if len(inputs) > longest:
            raise ModelError(
                f"the transcript has {len(tokens)} tokens, Whisper writes at most "
                f"{longest - len(self._text.prefix)}; cut the sample"
            )
        with torch.inference_mode():
            logits = self._model(
                encoder_outputs=(self._encode(audio),),
                decoder_input_ids=torch.tensor([inputs], device=self._device),
                use_cache=False,
            ).logits[0, len(self._text.prefix) - 1 :]
            log_p = torch.log_softmax(logits.double(), dim=-1)
            chosen = log_p[torch.arange(len(tokens)), torch.tensor(tokens)]
        return max(0.0, -float(chosen.sum())), len(tokens)

    def _encode(self, audio: Audio) -> Any:
        """The encoder's output, remembered for the next call on the same audio."""
        import torch

        if self._heard is not None and self._heard[0] is audio:
            return self._heard[1]
        features = self._features(
            _mono(audio), sampling_rate=SAMPLE_RATE, return_tensors="np"
        ).input_features
        inputs = torch.from_numpy(np.asarray(features, dtype=np.float32)).to(self._device)
        encoded = self._model.model.encoder(inputs).last_hidden_state
        self._heard = (audio, encoded)
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
