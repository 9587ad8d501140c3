"""Fixtures for the framework's own tests."""

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mpq_checks.assets import asset_path
from mpq_checks.torch_stack import prepare

pytest_plugins = ["pytester"]

_SUITE = "def test_gate(mpq_case):\n    mpq_case.check()\n"


@pytest.fixture
def gate(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., pytest.RunResult]:
    """Runs a suite over the toy profile in a process of its own.

    `change` is Python source that may rebind `profile`; further arguments go to pytest.
    """
    paths = (str(Path(__file__).parent), os.environ.get("PYTHONPATH", ""))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, paths)))
    for name in ("GITHUB_ACTIONS", "GITHUB_STEP_SUMMARY", "GITHUB_WORKSPACE"):
        monkeypatch.delenv(name, raising=False)
    pytester.makepyfile(test_suite=_SUITE)
    pytester.makeini("[pytest]\nmpq_profile = my_gate:profile\n")

    def run(*arguments: str, change: str = "", workers: int = 0) -> pytest.RunResult:
        pytester.makepyfile(my_gate=f"from toy_gate import *\n{change}\n")
        return pytester.runpytest_subprocess("-n", str(workers), "--mpq-device", "cpu", *arguments)

    sys.dont_write_bytecode = True
    return run


@pytest.fixture(scope="session")
def vocabulary() -> Any:
    """The GPT-2 vocabulary that Whisper's English models use."""
    from mpq_checks.models.openai_whisper import read_vocabulary

    return read_vocabulary(asset_path("whisper-gpt2-vocabulary"))


@pytest.fixture(scope="session")
def tokenizer(vocabulary: Any) -> Any:
    """transformers' tokenizer from the same file, by its own converter."""
    prepare()
    from transformers import WhisperTokenizer
    from transformers.convert_slow_tokenizer import TikTokenConverter

    path = str(asset_path("whisper-gpt2-vocabulary"))
    tokens, merges = TikTokenConverter().extract_vocab_merges_from_model(path)
    tokenizer = WhisperTokenizer(vocab=tokens, merges=merges)
    special = sorted(vocabulary.special_tokens_set, key=vocabulary.encode_single_token)
    tokenizer.add_tokens(special[1:], special_tokens=True)
    return tokenizer


@pytest.fixture(scope="session")
def whisper_checkpoint(
    tmp_path_factory: pytest.TempPathFactory, tokenizer: Any, vocabulary: Any
) -> Path:
    """tiny.en as a user's checkpoint."""
    prepare()
    from transformers import WhisperFeatureExtractor, WhisperProcessor

    from mpq_checks.models.openai_whisper import read_checkpoint, unspoken_tokens

    path = tmp_path_factory.mktemp("checkpoint")
    model = read_checkpoint(asset_path("whisper-tiny-en"))
    model.generation_config.suppress_tokens = list(unspoken_tokens(vocabulary))
    model.generation_config.begin_suppress_tokens = [220, 50256]
    model.save_pretrained(path)
    WhisperProcessor(WhisperFeatureExtractor(), tokenizer).save_pretrained(path)
    return path
