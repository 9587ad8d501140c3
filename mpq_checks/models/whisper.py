"""Whisper through transformers: OpenAI's tiny.en, or a checkpoint in a folder or of the hub."""

import hashlib
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

from mpq_checks.assets import asset_path, asset_sha256
from mpq_checks.errors import ModelError
from mpq_checks.models.base import SpeechRecogniser
from mpq_checks.models.hub import ModelPlace, place_identity, pretrained_folder
from mpq_checks.models.precision import Precision, check_run, dtype_of, run_identity
from mpq_checks.models.pretrained_folder import PretrainedFolder, file_sha256
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
    """A Whisper checkpoint in a folder, as `save_pretrained` of model and processor wrote it.

    Or one of the hub, which alone may be fetched. No code of the folder is run.
    Audio and decoding are as for `OpenAIWhisper`, with the tokens barred that the folder's
    generation_config.json bars. Multilingual models are asked to transcribe `language`.

    Args:
        path: the folder, or the model of the hub.
        language: code of the language spoken, for multilingual models; None: they find it out, as
            transformers' pipelines let them.
        batch_size: clips that the network hears at once in `transcribe_batch`; batches are always
            full, so that no transcript depends on how many clips there are.
        precision: of weights and activations.

    Raises:
        ModelError: another precision, or a batch size under 1.
    """

    path: ModelPlace
    language: str | None = "en"
    batch_size: int = 1
    precision: Precision = "fp32"

    def __post_init__(self) -> None:
        """Refuse settings that do not exist."""
        check_run(self.batch_size, self.precision)

    def identity(self) -> dict[str, str]:
        """Hash of the files, language, decoding, versions; not the folder's place.

        Of a model of the hub also its name and commit; batch size and precision where they are
        not 1 and fp32.

        Raises:
            ModelError: a file of the folder is missing or cannot be read.
            AssetError: the model of the hub cannot be had.
        """
        return {
            "architecture": "Whisper",
            "weights_sha256": _folder_sha256(pretrained_folder(self.path)),
            "language": self.language or "found by the model",
            **place_identity(self.path),
            **run_identity(self.batch_size, self.precision),
            **_common_identity(),
        }

    def assets(self) -> tuple[str, ...]:
        """None: folder or hub hold all it needs."""
        return ()

    def load(self, device: str) -> WhisperRecogniser:
        """Bring the weights into memory. Raises ModelError or AssetError."""
        folder = pretrained_folder(self.path)
        dtype = dtype_of(self.precision)
        model = folder.load_model("WhisperForConditionalGeneration", device, dtype)
        processor = _processor(folder)
        tokenizer = processor.tokenizer
        settings = model.generation_config
        multilingual = _is_multilingual(model)
        find = multilingual and self.language is None
        return WhisperRecogniser(
            model=model.requires_grad_(False),
            features=processor.feature_extractor,
            text=WhisperText(
                encode=lambda text: tokenizer(text, add_special_tokens=False).input_ids,
                decode=lambda tokens: tokenizer.decode(tokens, skip_special_tokens=True),
                prefix=self._prefix(folder, tokenizer, multilingual=multilingual),
                end=tokenizer.eos_token_id,
                barred=tuple(settings.suppress_tokens or ()),
                barred_first=tuple(settings.begin_suppress_tokens or ()),
                languages=_languages(tokenizer) if find else (),
            ),
            device=device,
            batch_size=self.batch_size,
        )

    def _prefix(
        self, folder: PretrainedFolder, tokenizer: Any, *, multilingual: bool
    ) -> tuple[int, ...]:
        """The tokens that begin every transcript, English standing in for a language to find."""
        names = ["<|startoftranscript|>"]
        if multilingual:
            names += [f"<|{self.language or 'en'}|>", "<|transcribe|>"]
        names.append("<|notimestamps|>")
        known = tokenizer.get_vocab()
        missing = [name for name in names if name not in known]
        if missing:
            raise ModelError(f"{folder.path}: the tokenizer has no token {', '.join(missing)}")
        return tuple(known[name] for name in names)


def _processor(folder: PretrainedFolder) -> Any:
    from transformers import WhisperProcessor

    try:
        return WhisperProcessor.from_pretrained(folder.path, local_files_only=True)
    except Exception as exc:  # transformers raises OSError, ValueError, TypeError and more
        raise ModelError(
            f"{folder.path} has no usable tokenizer or feature extractor: {exc}; save them there "
            "with WhisperProcessor.from_pretrained(...).save_pretrained(folder)"
        ) from exc


def _is_multilingual(model: Any) -> bool:
    stated = getattr(model.generation_config, "is_multilingual", None)
    if stated is None:
        return bool(model.config.vocab_size >= _FIRST_MULTILINGUAL_VOCABULARY)
    return bool(stated)


def _languages(tokenizer: Any) -> tuple[int, ...]:
    """The tokens that name a language."""
    from transformers.models.whisper.tokenization_whisper import LANGUAGES

    known = tokenizer.get_vocab()
    return tuple(known[f"<|{code}|>"] for code in LANGUAGES if f"<|{code}|>" in known)


def _common_identity() -> dict[str, str]:
    return {
        "decoding": DECODING,
        "preprocessing": f"mono, {SAMPLE_RATE} Hz (soxr HQ), log-mel",
        **{library: version(library) for library in ("torch", "transformers", "soxr")},
    }


def _folder_sha256(folder: PretrainedFolder) -> str:
    """Hash over names and contents of the weights and of the settings beside them."""
    digest = hashlib.sha256()
    for path in sorted({*folder.weights(), *folder.settings()}):
        digest.update(f"{path.name} {file_sha256(path)}\n".encode())
    return digest.hexdigest()
