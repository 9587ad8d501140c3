"""Whisper through transformers: OpenAI's tiny.en, or any checkpoint in a local folder."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mpq_checks.assets import asset_path, asset_sha256
from mpq_checks.codecs.resampling import resample
from mpq_checks.errors import ModelError, SignalError
from mpq_checks.models.base import SpeechRecogniser
from mpq_checks.signals import Audio
from mpq_checks.torch_stack import prepare

__all__ = ["HuggingFaceWhisper", "OpenAIWhisper"]

_SAMPLE_RATE = 16000
_MAX_SECONDS = 30
_DECODING = "greedy, temperature 0, no timestamps, no fallback, no chunking"
_ASSETS = {"tiny.en": ("whisper-tiny-en", "whisper-gpt2-vocabulary")}
_FIRST_MULTILINGUAL_VOCABULARY = 51865  # how OpenAI's code tells the models apart
_CHECKPOINT_FILES = ("*.safetensors", "*.json", "*.txt")


@dataclass(frozen=True)
class OpenAIWhisper:
    """An English Whisper from OpenAI's own weights.

    Audio is averaged to mono and resampled to 16 kHz (soxr, HQ). Decoding is greedy at
    temperature 0 without timestamps, with the tokens barred that OpenAI's decoder bars, of at
    most half the text context (224 tokens), and without the fall-back to higher temperatures.

    Args:
        name: OpenAI's name of the model: `tiny.en`.

    Raises:
        ModelError: another name.
    """

    name: str = "tiny.en"

    def __post_init__(self) -> None:
        """Refuse a name without weights."""
        if self.name not in _ASSETS:
            raise ModelError(
                f"no weights of OpenAI's Whisper {self.name!r} here, only {', '.join(_ASSETS)}; "
                "other models run as HuggingFaceWhisper from a local folder"
            )

    def identity(self) -> dict[str, str]:
        """Architecture, SHA-256 of weights and vocabulary, decoding, versions."""
        weights, vocabulary = _ASSETS[self.name]
        return {
            "architecture": f"Whisper {self.name}",
            "weights_sha256": asset_sha256(weights),
            "vocabulary_sha256": asset_sha256(vocabulary),
            **_common_identity(),
        }

    def assets(self) -> tuple[str, ...]:
        """Names of the assets it needs."""
        return _ASSETS[self.name]

    def load(self, device: str) -> SpeechRecogniser:
        """Bring the weights into memory. Raises AssetError or ModelError."""
        prepare()
        from transformers import WhisperFeatureExtractor

        from mpq_checks.models.openai_whisper import (
            read_checkpoint,
            read_vocabulary,
            unspoken_tokens,
        )

        weights, vocabulary_asset = _ASSETS[self.name]
        model = read_checkpoint(asset_path(weights))
        vocabulary = read_vocabulary(asset_path(vocabulary_asset))
        extractor: Any = WhisperFeatureExtractor  # Any: partly untyped, as is the model
        special = vocabulary.encode_single_token
        end = special("<|endoftext|>")
        return _Recogniser(
            model=model.to(device),
            features=extractor(feature_size=model.config.num_mel_bins),
            text=_Text(
                encode=vocabulary.encode_ordinary,
                decode=lambda tokens: vocabulary.decode([t for t in tokens if t < end]),
                prefix=(special("<|startoftranscript|>"), special("<|notimestamps|>")),
                end=end,
                barred=unspoken_tokens(vocabulary),
                barred_first=(*vocabulary.encode_ordinary(" "), end),
            ),
            device=device,
        )


@dataclass(frozen=True)
class HuggingFaceWhisper:
    """A Whisper checkpoint in a local folder, as `save_pretrained` of model and processor wrote it.

    Nothing is fetched and no code of the folder is run; weights are read from safetensors only.
    Audio and decoding are as for `OpenAIWhisper`, with the tokens barred that the folder's
    generation_config.json bars. Multilingual models are asked to transcribe `language`.

    Args:
        path: the folder.
        language: code of the language spoken, for multilingual models.
    """

    path: str | Path
    language: str = "en"

    def identity(self) -> dict[str, str]:
        """SHA-256 over the folder's files, decoding, versions. Raises ModelError."""
        return {
            "architecture": "Whisper",
            "weights_sha256": _checkpoint_sha256(self._folder()),
            "language": self.language,
            **_common_identity(),
        }

    def assets(self) -> tuple[str, ...]:
        """None."""
        return ()

    def load(self, device: str) -> SpeechRecogniser:
        """Bring the weights into memory. Raises ModelError."""
        folder = self._folder()
        prepare()
        from transformers import WhisperForConditionalGeneration, WhisperProcessor

        try:
            processor = WhisperProcessor.from_pretrained(folder, local_files_only=True)
            model: Any = WhisperForConditionalGeneration.from_pretrained(
                folder, local_files_only=True, use_safetensors=True, dtype="float32"
            )
        except Exception as exc:  # transformers raises OSError, ValueError, RuntimeError and more
            raise ModelError(
                f"{folder} is not a Whisper checkpoint: {exc}; write it with save_pretrained of "
                "the model (safetensors) and of its WhisperProcessor"
            ) from exc
        tokenizer = processor.tokenizer
        settings = model.generation_config
        return _Recogniser(
            model=model.eval().requires_grad_(False).to(device),
            features=processor.feature_extractor,
            text=_Text(
                encode=lambda text: tokenizer(text, add_special_tokens=False).input_ids,
                decode=lambda tokens: tokenizer.decode(tokens, skip_special_tokens=True),
                prefix=self._prefix(tokenizer, model),
                end=tokenizer.eos_token_id,
                barred=tuple(settings.suppress_tokens or ()),
                barred_first=tuple(settings.begin_suppress_tokens or ()),
            ),
            device=device,
        )

    def _folder(self) -> Path:
        folder = Path(self.path)
        if not (folder / "config.json").is_file():
            raise ModelError(
                f"{folder} is not a checkpoint folder: it has no config.json; give the folder "
                "that save_pretrained wrote, as a local path"
            )
        return folder

    def _prefix(self, tokenizer: Any, model: Any) -> tuple[int, ...]:
        """The tokens that begin every transcript."""
        multilingual = getattr(model.generation_config, "is_multilingual", None)
        if multilingual is None:
            multilingual = model.config.vocab_size >= _FIRST_MULTILINGUAL_VOCABULARY
        names = ["<|startoftranscript|>"]
        if multilingual:
            names += [f"<|{self.language}|>", "<|transcribe|>"]
        names.append("<|notimestamps|>")
        known = tokenizer.get_vocab()
        missing = [name for name in names if name not in known]
        if missing:
            raise ModelError(f"{self.path}: the tokenizer has no token {', '.join(missing)}")
        return tuple(known[name] for name in names)


@dataclass(frozen=True)
class _Text:
    """Text to tokens and back, and the tokens that steer the decoder."""

    encode: Callable[[str], list[int]]
    decode: Callable[[Sequence[int]], str]
    prefix: tuple[int, ...]
    end: int
    barred: tuple[int, ...]
    barred_first: tuple[int, ...]


class _Recogniser:
    """A Whisper model in memory."""

    def __init__(self, model: Any, features: Any, text: _Text, device: str) -> None:
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
                    past_key_values=past,
                    use_cache=True,
                )
                logits, past = output.logits[0, -1], output.past_key_values
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
            _mono(audio), sampling_rate=_SAMPLE_RATE, return_tensors="np"
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
    return np.asarray(resample(mono, audio.sample_rate, _SAMPLE_RATE)[0], dtype=np.float32)


def _common_identity() -> dict[str, str]:
    return {
        "decoding": _DECODING,
        "preprocessing": f"mono, {_SAMPLE_RATE} Hz (soxr HQ), log-mel",
        **{library: version(library) for library in ("torch", "transformers", "soxr")},
    }


def _checkpoint_sha256(folder: Path) -> str:
    """Hash over names and contents of the files that make the checkpoint."""
    files = sorted({path for pattern in _CHECKPOINT_FILES for path in folder.glob(pattern)})
    digest = hashlib.sha256()
    for path in files:
        stat = path.stat()
        digest.update(
            f"{path.name} {_file_sha256(path, stat.st_size, stat.st_mtime_ns)}\n".encode()
        )
    return digest.hexdigest()


@lru_cache(maxsize=64)
def _file_sha256(path: Path, _size: int, _changed_ns: int) -> str:
    """Hash of a file, remembered until its size or time of change differ."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
