"""Reads OpenAI's own Whisper checkpoints and vocabularies into transformers' classes."""

import base64
import binascii
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mpq_checks.errors import ModelError

__all__ = ["read_checkpoint", "read_vocabulary", "unspoken_tokens"]

# OpenAI's names of parameters, as transformers calls them.
_RENAMED = (
    (r"\bblocks\b", "layers"),
    (r"\battn_ln\b", "self_attn_layer_norm"),
    (r"\bcross_attn_ln\b", "encoder_attn_layer_norm"),
    (r"\battn\b", "self_attn"),
    (r"\bcross_attn\b", "encoder_attn"),
    (r"\bquery\b", "q_proj"),
    (r"\bkey\b", "k_proj"),
    (r"\bvalue\b", "v_proj"),
    (r"\bout\b", "out_proj"),
    (r"\bmlp_ln\b", "final_layer_norm"),
    (r"\bmlp\.0\b", "fc1"),
    (r"\bmlp\.2\b", "fc2"),
    (r"\bln(_post)?\b", "layer_norm"),
    (r"\bpositional_embedding\b", "embed_positions.weight"),
    (r"\btoken_embedding\b", "embed_tokens"),
)
_NUM_LANGUAGES = 99
_NUM_TIMESTAMPS = 1501  # every 20 ms of 30 s
_GPT2_PATTERN = r"""'(?:[stmd]|re|ve|ll)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"""

# What OpenAI's decoder never writes: speaker tags, brackets, notes and the like.
_UNSPOKEN = (
    *'"#()*+/:;<=>@[\\]^_`{|}~「」『』',
    *("<<", ">>", "<<<", ">>>", "--", "---", "-(", "-[", "('", '("', "((", "))"),
    *("(((", ")))", "[[", "]]", "{{", "}}", "♪♪", "♪♪♪"),
)
_MUSIC_SIGNS = "♩♪♫♬♭♮♯"  # several tokens each, of which the first is barred
_UNSPOKEN_AT_WORD_START = (" -", " '")


def read_checkpoint(path: Path) -> Any:
    """Build transformers' WhisperForConditionalGeneration from a `.pt` file of OpenAI.

    Returns:
        The model in float32, in evaluation mode, on the CPU.

    Raises:
        ModelError: a file that does not hold such a model.
    """
    import torch
    from transformers import WhisperConfig, WhisperForConditionalGeneration

    try:
        checkpoint = torch.load(path, map_location="cpu", weights_only=True)
        dims = checkpoint["dims"]
        state = {_renamed(key): value.float() for key, value in _parameters(checkpoint)}
        config = WhisperConfig(
            vocab_size=dims["n_vocab"],
            num_mel_bins=dims["n_mels"],
            d_model=dims["n_audio_state"],
            encoder_layers=dims["n_audio_layer"],
            encoder_attention_heads=dims["n_audio_head"],
            encoder_ffn_dim=4 * dims["n_audio_state"],
            max_source_positions=dims["n_audio_ctx"],
            decoder_layers=dims["n_text_layer"],
            decoder_attention_heads=dims["n_text_head"],
            decoder_ffn_dim=4 * dims["n_text_state"],
            max_target_positions=dims["n_text_ctx"],
        )
        state["proj_out.weight"] = state["model.decoder.embed_tokens.weight"]
        with torch.device("meta"):
            model: Any = WhisperForConditionalGeneration(config)  # Any: partly untyped
        model.load_state_dict(state, strict=True, assign=True)
    except Exception as exc:  # unpickling and shapes fail in many ways
        raise ModelError(
            f"{path} does not hold a Whisper model of OpenAI's form: {_first_line(exc)}"
        ) from exc
    model.tie_weights()
    return model.eval().requires_grad_(False)


def read_vocabulary(path: Path) -> Any:
    """The tiktoken encoding of OpenAI's English models, special tokens included.

    Raises:
        ModelError: a file that is not a list of base64 tokens with their ranks.
    """
    import tiktoken

    try:
        lines = path.read_text(encoding="ascii").splitlines()
        pairs = [line.split() for line in lines if line]
        ranks = {base64.b64decode(token, validate=True): int(rank) for token, rank in pairs}
    except (OSError, ValueError, binascii.Error) as exc:
        raise ModelError(f"{path} is not a vocabulary of base64 tokens and ranks: {exc}") from exc
    specials = {token: len(ranks) + index for index, token in enumerate(_special_tokens())}
    return tiktoken.Encoding(
        name=path.stem, pat_str=_GPT2_PATTERN, mergeable_ranks=ranks, special_tokens=specials
    )


def unspoken_tokens(vocabulary: Any) -> tuple[int, ...]:
    """Tokens that OpenAI's decoder bars at every step: what nobody says, and special tokens."""
    barred = {vocabulary.encode_ordinary(text)[0] for text in _UNSPOKEN_AT_WORD_START}
    for symbol in _UNSPOKEN:
        for text in (symbol, f" {symbol}"):
            tokens = vocabulary.encode_ordinary(text)
            if len(tokens) == 1:
                barred.add(tokens[0])
    for sign in _MUSIC_SIGNS:
        barred.update(vocabulary.encode_ordinary(text)[0] for text in (sign, f" {sign}"))
    steering = (
        "<|startoftranscript|>",
        "<|translate|>",
        "<|transcribe|>",
        "<|startoflm|>",
        "<|startofprev|>",
        "<|nospeech|>",
    )
    barred.update(vocabulary.encode_single_token(token) for token in steering)
    return tuple(sorted(barred))


def _first_line(exc: Exception) -> str:
    """torch's messages go on with advice that must not be followed."""
    lines = str(exc).splitlines()
    return f"{type(exc).__name__}: {lines[0][:200] if lines else 'no reason given'}"


def _parameters(checkpoint: Any) -> Iterator[tuple[str, Any]]:
    yield from checkpoint["model_state_dict"].items()


def _renamed(key: str) -> str:
    for pattern, replacement in _RENAMED:
        key = re.sub(pattern, replacement, key)
    return f"model.{key}"


def _special_tokens() -> Iterator[str]:
    """In the order of their ids, which begin after the last rank."""
    from transformers.models.whisper.tokenization_whisper import LANGUAGES

    yield from ("<|endoftext|>", "<|startoftranscript|>")
    yield from (f"<|{code}|>" for code in list(LANGUAGES)[:_NUM_LANGUAGES])
    yield from ("<|translate|>", "<|transcribe|>", "<|startoflm|>", "<|startofprev|>")
    yield from ("<|nospeech|>", "<|notimestamps|>")
    yield from (f"<|{index * 0.02:.2f}|>" for index in range(_NUM_TIMESTAMPS))
