"""Whisper through transformers: OpenAI's tiny.en, or any checkpoint in a local folder."""

import hashlib
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from mpq_checks.assets import asset_path, asset_sha256
from mpq_checks.errors import ModelError
from mpq_checks.models.base import SpeechRecogniser
from mpq_checks.models.pretrained_folder import PretrainedFolder
from mpq_checks.models.whisper_recogniser import (
    DECODING,
    SAMPLE_RATE,
    WhisperRecogniser,
    WhisperText,
)
from mpq_checks.torch_stack import prepare

__all__ = ["HuggingFaceWhisper", "OpenAIWhisper"]

_ASSETS = {"tiny.en": ("whisper-tiny-en", "whisper-gpt2-vocabulary")}
_FIRST_MULTILINGUAL_VOCABULARY = 51865  # how OpenAI's code tells the models apart
_SETTINGS = ("*.json", "merges.txt")  # beside the weights: config, generation, tokenizer, features


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
        return WhisperRecogniser(
            model=model.to(device),
            features=extractor(feature_size=model.config.num_mel_bins),
            text=WhisperText(
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

    Nothing is fetched and no code of the folder is run.
    Audio and decoding are as for `OpenAIWhisper`, with the tokens barred that the folder's
    generation_config.json bars. Multilingual models are asked to transcribe `language`.

    Args:
        path: the folder.
        language: code of the language spoken, for multilingual models.
    """

    path: str | Path
    language: str = "en"

    def identity(self) -> dict[str, str]:
        """Hash of the files, language, decoding, versions; not the folder's place.

        Raises:
            ModelError: a file of the folder is missing or cannot be read.
        """
        return {
            "architecture": "Whisper",
            "weights_sha256": _folder_sha256(PretrainedFolder(Path(self.path))),
            "language": self.language,
            **_common_identity(),
        }

    def assets(self) -> tuple[str, ...]:
        """None: the folder is all it needs."""
        return ()

    def load(self, device: str) -> SpeechRecogniser:
        """Bring the weights into memory. Raises ModelError."""
        folder = PretrainedFolder(Path(self.path))
        model = folder.load_model("WhisperForConditionalGeneration", device)
        processor = self._processor()
        tokenizer = processor.tokenizer
        settings = model.generation_config
        return WhisperRecogniser(
            model=model.requires_grad_(False),
            features=processor.feature_extractor,
            text=WhisperText(
                encode=lambda text: tokenizer(text, add_special_tokens=False).input_ids,
                decode=lambda tokens: tokenizer.decode(tokens, skip_special_tokens=True),
                prefix=self._prefix(tokenizer, model),
                end=tokenizer.eos_token_id,
                barred=tuple(settings.suppress_tokens or ()),
                barred_first=tuple(settings.begin_suppress_tokens or ()),
            ),
            device=device,
        )

    def _processor(self) -> Any:
        from transformers import WhisperProcessor

        try:
            return WhisperProcessor.from_pretrained(Path(self.path), local_files_only=True)
        except Exception as exc:  # transformers raises OSError, ValueError, TypeError and more
            raise ModelError(
                f"{self.path} has no usable tokenizer or feature extractor: {exc}; save them there "
                "with WhisperProcessor.from_pretrained(...).save_pretrained(folder)"
            ) from exc

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


def _common_identity() -> dict[str, str]:
    return {
        "decoding": DECODING,
        "preprocessing": f"mono, {SAMPLE_RATE} Hz (soxr HQ), log-mel",
        **{library: version(library) for library in ("torch", "transformers", "soxr")},
    }


def _folder_sha256(folder: PretrainedFolder) -> str:
    """Hash over names and contents of the weights and of the settings beside them."""
    settings = [path for pattern in _SETTINGS for path in folder.path.glob(pattern)]
    digest = hashlib.sha256()
    for path in sorted({*folder.weights(), *settings}):
        try:
            stat = path.stat()
            content = _file_sha256(path, stat.st_size, stat.st_mtime_ns)
        except OSError as exc:
            raise ModelError(f"{path} cannot be read: {exc}") from exc
        digest.update(f"{path.name} {content}\n".encode())
    return digest.hexdigest()


@lru_cache(maxsize=64)
def _file_sha256(path: Path, _size: int, _changed_ns: int) -> str:
    """Hash of a file, remembered until its size or time of change differ."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
