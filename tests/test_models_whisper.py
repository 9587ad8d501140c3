"""Whisper against transformers' own pieces, known transcripts, and folders gone wrong."""

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from metric_cases import noisy

from mpq_checks.assets import asset_path
from mpq_checks.datasets.ljspeech_mini import LjspeechMini
from mpq_checks.errors import ModelError, SignalError
from mpq_checks.models.openai_whisper import read_checkpoint, read_vocabulary, unspoken_tokens
from mpq_checks.models.whisper import HuggingFaceWhisper, OpenAIWhisper
from mpq_checks.signals import Audio

# What OpenAI's own code (openai-whisper 20250625, temperature 0, no timestamps) writes.
KNOWN = {
    "LJ001-0002": "in being comparatively modern.",
    "LJ001-0013": "then in the same operations with ugly ones.",
}


@pytest.fixture(scope="module")
def recogniser() -> Any:
    return OpenAIWhisper().load("cpu")


def _clip(sample_id: str = "LJ001-0002") -> tuple[Audio, str]:
    sample = LjspeechMini().load(sample_id)
    assert isinstance(sample.signal, Audio)
    return sample.signal, sample.reference


@pytest.mark.assets
@pytest.mark.parametrize("sample_id", KNOWN)
def test_writes_what_openai_code_writes(recogniser: Any, sample_id: str) -> None:
    assert recogniser.transcribe(_clip(sample_id)[0]) == KNOWN[sample_id]


@pytest.mark.assets
@pytest.mark.parametrize("sample_id", ["LJ001-0002", "LJ001-0024"])
def test_likelihood_equals_the_loss_of_transformers(
    recogniser: Any, tokenizer: Any, sample_id: str
) -> None:
    import soxr
    import torch
    from transformers import WhisperFeatureExtractor

    audio, transcript = _clip(sample_id)
    wave = soxr.resample(audio.samples[0], audio.sample_rate, 16000)
    features = WhisperFeatureExtractor()(wave, sampling_rate=16000, return_tensors="pt")
    text = tokenizer(" " + transcript, add_special_tokens=False).input_ids
    labels = torch.tensor([[-100, *text, 50256]])
    inputs = torch.tensor([[50257, 50362, *text]])
    model = read_checkpoint(asset_path("whisper-tiny-en"))
    with torch.no_grad():
        output = model(features.input_features, decoder_input_ids=inputs, labels=labels)
    nll, tokens = recogniser.reference_nll(audio, transcript)
    assert tokens == len(text) + 1
    assert nll == pytest.approx(float(output.loss) * tokens, rel=1e-3)
    assert nll > 0.1


@pytest.mark.assets
@given(text=st.text(alphabet=st.characters(codec="utf-8"), max_size=40))
@settings(deadline=None, max_examples=60)
def test_vocabulary_equals_the_one_of_transformers(
    text: str, vocabulary: Any, tokenizer: Any
) -> None:
    tokens = vocabulary.encode_ordinary(text)
    assert vocabulary.decode(tokens) == text
    if "<|" not in text:  # transformers takes those for special tokens
        assert tokens == tokenizer(text, add_special_tokens=False).input_ids


@pytest.mark.assets
def test_special_and_barred_tokens_are_those_of_whisper(vocabulary: Any) -> None:
    from transformers.models.whisper.configuration_whisper import NON_SPEECH_TOKENS

    for name, token in {
        "<|endoftext|>": 50256,
        "<|startoftranscript|>": 50257,
        "<|en|>": 50258,
        "<|notimestamps|>": 50362,
        "<|0.00|>": 50363,
    }.items():
        assert vocabulary.encode_single_token(name) == token
    barred = set(unspoken_tokens(vocabulary))
    # Its list also bars a token or two of its own; text tokens are compared.
    assert {token for token in barred if token < 50256} == {
        token for token in NON_SPEECH_TOKENS if token < 50256
    }
    assert {50257, 50357, 50358, 50359, 50360, 50361} <= barred


@pytest.mark.assets
def test_noise_costs_likelihood(recogniser: Any) -> None:
    audio, transcript = _clip()
    values = [
        recogniser.reference_nll(noisy(audio, level), transcript)[0]
        for level in (0.0, 0.02, 0.1, 0.5)
    ]
    assert values == sorted(values)
    assert values[-1] > 5 * values[0]


@pytest.mark.assets
def test_channels_and_sample_rate_do_not_matter(recogniser: Any) -> None:
    import soxr

    audio, transcript = _clip()
    expected = recogniser.reference_nll(audio, transcript)[0]
    stereo = Audio(np.concatenate([audio.samples] * 2), audio.sample_rate)
    assert recogniser.reference_nll(stereo, transcript)[0] == pytest.approx(expected, rel=1e-3)
    resampled = soxr.resample(audio.samples[0], 22050, 48000).astype(np.float32)
    hifi = Audio(resampled[None], 48000)
    assert recogniser.reference_nll(hifi, transcript)[0] == pytest.approx(expected, rel=0.05)
    assert recogniser.transcribe(hifi) == KNOWN["LJ001-0002"]


@pytest.mark.assets
def test_silence_and_a_single_sample_give_text_of_bounded_length(recogniser: Any) -> None:
    for audio in (
        Audio(np.zeros((1, 16000), np.float32), 16000),
        Audio(np.full((2, 1), 0.5, np.float32), 44100),
    ):
        text = recogniser.transcribe(audio)
        assert len(text.split()) <= 224
        nll, tokens = recogniser.reference_nll(audio, "hello")
        assert tokens == 2
        assert nll > 5


@pytest.mark.assets
def test_the_longest_text_is_half_the_context(recogniser: Any, monkeypatch: Any) -> None:
    # Without an end of text the decoder would go on for ever.
    monkeypatch.setattr(recogniser, "_text", _never_ending(recogniser._text))
    assert recogniser.transcribe(_clip()[0]) == "224"


def _never_ending(text: Any) -> Any:
    from dataclasses import replace

    return replace(
        text, end=-1, barred=(*text.barred, 50256), decode=lambda tokens: str(len(tokens))
    )


@pytest.mark.assets
def test_too_long_and_empty_are_refused(recogniser: Any) -> None:
    long = Audio(np.zeros((1, 30 * 16000 + 1), np.float32), 16000)
    with pytest.raises(SignalError, match="30 s"):
        recogniser.transcribe(long)
    with pytest.raises(SignalError, match="30 s"):
        recogniser.reference_nll(long, "hello")
    audio = _clip()[0]
    with pytest.raises(ModelError, match="empty"):
        recogniser.reference_nll(audio, " ")
    with pytest.raises(ModelError, match="tokens"):
        recogniser.reference_nll(audio, "no " * 460)


@pytest.mark.assets
def test_a_users_folder_hears_the_same(recogniser: Any, whisper_checkpoint: Path) -> None:
    user = HuggingFaceWhisper(whisper_checkpoint).load("cpu")
    for sample_id, known in KNOWN.items():
        audio, transcript = _clip(sample_id)
        assert user.transcribe(audio) == known
        expected = recogniser.reference_nll(audio, transcript)
        assert user.reference_nll(audio, transcript) == pytest.approx(expected, rel=1e-4)


@pytest.mark.assets
def test_identity_follows_the_files_and_not_their_place(
    whisper_checkpoint: Path, tmp_path: Path
) -> None:
    moved = shutil.copytree(whisper_checkpoint, tmp_path / "elsewhere")
    model = HuggingFaceWhisper(moved)
    assert model.identity() == HuggingFaceWhisper(str(whisper_checkpoint)).identity()
    assert model.assets() == ()
    before = model.identity()
    assert HuggingFaceWhisper(moved, language="de").identity() != before
    settings_file = moved / "generation_config.json"
    settings_file.write_text(settings_file.read_text().replace("220", "221"))
    assert model.identity() != before
    assert OpenAIWhisper().identity()["weights_sha256"].startswith("d3dd57d32acc")


@pytest.mark.assets
def test_folders_gone_wrong(whisper_checkpoint: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no model folder"):
        HuggingFaceWhisper(tmp_path / "none").identity()
    bare = tmp_path / "bare"
    bare.mkdir()
    with pytest.raises(ModelError, match="config"):
        HuggingFaceWhisper(bare).load("cpu")
    for name, message in (("tokenizer.json", "tokenizer"), ("model.safetensors", "safetensors")):
        copy = shutil.copytree(whisper_checkpoint, tmp_path / name)
        (copy / name).unlink()
        with pytest.raises(ModelError, match=message):
            HuggingFaceWhisper(copy).load("cpu")


@pytest.mark.assets
def test_multilingual_models_are_told_language_and_task(tokenizer: Any, tmp_path: Path) -> None:
    from transformers import (
        WhisperConfig,
        WhisperFeatureExtractor,
        WhisperForConditionalGeneration,
        WhisperProcessor,
    )

    sizes = {"encoder_layers": 1, "decoder_layers": 1, "d_model": 16}
    sizes |= {"encoder_attention_heads": 2, "decoder_attention_heads": 2}
    config = WhisperConfig(
        vocab_size=51865,
        encoder_ffn_dim=16,
        decoder_ffn_dim=16,
        eos_token_id=50256,
        pad_token_id=50256,
        bos_token_id=50256,
        decoder_start_token_id=50257,
        **sizes,
    )
    WhisperForConditionalGeneration(config).save_pretrained(tmp_path)
    WhisperProcessor(WhisperFeatureExtractor(), tokenizer).save_pretrained(tmp_path)
    ids = tokenizer.convert_tokens_to_ids
    for language in ("en", "de"):
        user = HuggingFaceWhisper(tmp_path, language=language).load("cpu")
        names = ["<|startoftranscript|>", f"<|{language}|>", "<|transcribe|>", "<|notimestamps|>"]
        assert list(user._text.prefix) == ids(names)  # type: ignore[attr-defined]
    nll, tokens = user.reference_nll(_clip()[0], "in being")
    assert nll / tokens == pytest.approx(np.log(51865), rel=0.2)  # random weights know nothing
    with pytest.raises(ModelError, match=r"no token <\|xx\|>"):
        HuggingFaceWhisper(tmp_path, language="xx").load("cpu")


def test_unknown_names_are_refused() -> None:
    with pytest.raises(ModelError, match=r"only tiny\.en"):
        OpenAIWhisper("medium")


def test_files_that_are_no_whisper_are_refused(tmp_path: Path) -> None:
    import torch

    path = tmp_path / "model.pt"
    path.write_bytes(b"not a checkpoint")
    with pytest.raises(ModelError, match=r"model\.pt"):
        read_checkpoint(path)
    torch.save({"dims": {}, "model_state_dict": {}}, path)
    with pytest.raises(ModelError, match=r"model\.pt"):
        read_checkpoint(path)
    path.write_text("aGVsbG8= not-a-rank\n")
    with pytest.raises(ModelError, match="vocabulary"):
        read_vocabulary(path)


def test_a_checkpoint_with_code_is_not_run(tmp_path: Path) -> None:
    import torch

    class Harm:
        def __reduce__(self) -> Any:
            return (Path.touch, (tmp_path / "harmed",))

    torch.save({"dims": Harm(), "model_state_dict": {}}, tmp_path / "model.pt")
    with pytest.raises(ModelError, match=r"model\.pt"):
        read_checkpoint(tmp_path / "model.pt")
    assert not (tmp_path / "harmed").exists()


def test_importing_imports_no_torch() -> None:
    code = (
        "import sys, mpq_checks.tasks.speech_recognition, mpq_checks.tasks.source_separation, "
        "mpq_checks.models.whisper, mpq_checks.models.openai_whisper, mpq_checks.models.spleeter, "
        "mpq_checks.models.spleeter_unet, mpq_checks.datasets.music_mini; "
        "heavy = {'torch', 'transformers', 'scipy', 'soxr', 'symusic', 'soundfile', 'jiwer'}; "
        "sys.exit(' '.join(heavy & set(sys.modules)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
