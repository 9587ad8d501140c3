"""The paper's models with their real classes and small configurations, in the hub's formats.

`write_paper_models(root)` fills a folder that MPQ_MODELS_DIR may name.
"""

import hashlib
import io
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from mpq_checks.models.demucs import STEMS
from mpq_checks.models.demucs_packages import BAGS
from mpq_checks.models.paper import (
    SEGFORMER_ADE20K,
    VIT_BEANS,
    VIT_CHEST_XRAY,
    VIT_IMAGENET,
    WHISPER_MEDIUM,
    WHISPER_TINY,
)
from mpq_checks.torch_stack import prepare

SIDE = 32
"""Of the images that the small networks take, in pixels."""

BEANS = ("angular_leaf_spot", "bean_rust", "healthy")
CHEST_XRAY = ("NORMAL", "PNEUMONIA")
NUM_ADE20K_CLASSES = 150

_VIT_PREPROCESSING = {
    "image_processor_type": "ViTImageProcessor",
    "do_resize": True,
    "size": {"height": SIDE, "width": SIDE},
    "resample": 2,
    "do_rescale": True,
    "rescale_factor": 1 / 255,
    "do_normalize": True,
    "image_mean": [0.5, 0.5, 0.5],
    "image_std": [0.5, 0.5, 0.5],
}
_SEGFORMER_PREPROCESSING = _VIT_PREPROCESSING | {
    "image_processor_type": "SegformerImageProcessor",
    "image_mean": [0.485, 0.456, 0.406],
    "image_std": [0.229, 0.224, 0.225],
    "do_reduce_labels": True,
}


def write_paper_models(root: Path, demucs: Sequence[str] = ("htdemucs", "hdemucs_mmi")) -> None:
    """Each model under `<root>/<owner>/<name>`, the named Demucs under `<root>/demucs`."""
    write_vit(root / VIT_IMAGENET.repo, [f"synset {index}" for index in range(1000)])
    write_vit(root / VIT_CHEST_XRAY.repo, CHEST_XRAY, seed=1)
    write_vit(root / VIT_BEANS.repo, BEANS, seed=2)
    write_segformer(root / SEGFORMER_ADE20K.repo)
    write_whisper(root / WHISPER_TINY.repo)
    write_whisper(root / WHISPER_MEDIUM.repo, layers=2, seed=1)
    for name in demucs:
        write_demucs(root / "demucs" / name, name)


def write_vit(folder: Path, class_names: Sequence[str], seed: int = 0) -> None:
    """ViTForImageClassification and its image processor."""
    prepare()
    from transformers import ViTConfig, ViTForImageClassification

    with _seeded(seed):
        config = ViTConfig(
            image_size=SIDE,
            patch_size=8,
            hidden_size=24,
            num_hidden_layers=2,
            num_attention_heads=2,
            intermediate_size=48,
            id2label=dict(enumerate(class_names)),
            label2id={name: index for index, name in enumerate(class_names)},
            initializer_range=0.3,
        )
        _save(ViTForImageClassification(config), folder)
    _write_json(folder / "preprocessor_config.json", _VIT_PREPROCESSING)


def write_segformer(folder: Path, num_classes: int = NUM_ADE20K_CLASSES, seed: int = 0) -> None:
    """SegformerForSemanticSegmentation and its image processor."""
    prepare()
    import torch
    from transformers import SegformerConfig, SegformerForSemanticSegmentation

    with _seeded(seed):
        config = SegformerConfig(
            hidden_sizes=[8, 8, 16, 16],
            depths=[1, 1, 1, 1],
            num_attention_heads=[1, 1, 2, 2],
            decoder_hidden_size=16,
            num_labels=num_classes,
            initializer_range=0.3,
        )
        model = SegformerForSemanticSegmentation(config).eval()
        patchwork = torch.randn(8, 3, 4, 4).repeat_interleave(8, 2).repeat_interleave(8, 3)
        with torch.inference_mode():
            mean = model(patchwork).logits.mean((0, 2, 3))
        # So that no class wins everywhere.
        model.decode_head.classifier.bias.data = -mean.clone()
        _save(model, folder)
    _write_json(folder / "preprocessor_config.json", _SEGFORMER_PREPROCESSING)


def write_whisper(folder: Path, layers: int = 1, seed: int = 0) -> None:
    """A multilingual Whisper that spells: its tokens are bytes and Whisper's special ones."""
    prepare()
    from transformers import (
        WhisperConfig,
        WhisperFeatureExtractor,
        WhisperForConditionalGeneration,
        WhisperProcessor,
    )

    tokenizer = byte_tokenizer()
    special = tokenizer.convert_tokens_to_ids
    end, start = special("<|endoftext|>"), special("<|startoftranscript|>")
    with _seeded(seed):
        config = WhisperConfig(
            vocab_size=len(tokenizer),
            d_model=16,
            encoder_layers=layers,
            decoder_layers=layers,
            encoder_attention_heads=2,
            decoder_attention_heads=2,
            encoder_ffn_dim=32,
            decoder_ffn_dim=32,
            max_target_positions=64,
            eos_token_id=end,
            pad_token_id=end,
            bos_token_id=end,
            decoder_start_token_id=start,
            init_std=0.3,
        )
        model = WhisperForConditionalGeneration(config)
    settings: Any = model.generation_config
    settings._from_model_config = False  # or transformers drops the rest when it loads it
    settings.is_multilingual = True
    settings.suppress_tokens = [
        token for token in tokenizer.get_added_vocab().values() if token != end
    ]
    settings.begin_suppress_tokens = [special("Ġ"), end]
    _save(model, folder)
    WhisperProcessor(WhisperFeatureExtractor(), tokenizer).save_pretrained(folder)


def byte_tokenizer() -> Any:
    """transformers' tokenizer of Whisper over single bytes; no merges."""
    prepare()
    from transformers import WhisperTokenizer
    from transformers.convert_slow_tokenizer import bytes_to_unicode

    letters = {letter: index for index, letter in enumerate(bytes_to_unicode().values())}
    tokenizer = WhisperTokenizer(vocab={**letters, "<|endoftext|>": len(letters)}, merges=[])
    steering = ("startoftranscript", "en", "de", "fr", "translate", "transcribe")
    more = ("startoflm", "startofprev", "nospeech", "notimestamps")
    tokenizer.add_tokens([f"<|{name}|>" for name in (*steering, *more)], special_tokens=True)
    return tokenizer


def write_demucs(folder: Path, name: str) -> list[Path]:
    """The packages of a bag, as demucs writes and names them; gives their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for place, signature in enumerate(BAGS[name].signatures):
        data = demucs_package(_network_kind(name, place), seed=place)
        checksum = hashlib.sha256(data).hexdigest()[:8]
        paths.append(folder / f"{signature}-{checksum}.th")
        paths[-1].write_bytes(data)
    return paths


def demucs_package(kind: str, seed: int = 0, **changes: Any) -> bytes:
    """A package with a small network: `Demucs`, `HDemucs` or `HTDemucs`; float16, as published."""
    import torch

    content = {**_demucs_content(kind, seed), **changes}
    buffer = io.BytesIO()
    torch.save(content, buffer)
    return buffer.getvalue()


def _demucs_content(kind: str, seed: int) -> dict[str, Any]:
    from demucs.demucs import Demucs
    from demucs.hdemucs import HDemucs
    from demucs.htdemucs import HTDemucs

    settings: dict[str, dict[str, Any]] = {
        "Demucs": {"channels": 4, "depth": 3, "segment": 2},
        "HDemucs": {"channels": 4, "segment": 2},
        "HTDemucs": {
            "channels": 4,
            "dconv_comp": 2,
            "bottom_channels": 16,
            "t_layers": 1,
            "t_heads": 2,
            "segment": Fraction(3, 2),
        },
    }
    klass = {"Demucs": Demucs, "HDemucs": HDemucs, "HTDemucs": HTDemucs}[kind]
    with _seeded(seed):
        network = klass(sources=list(STEMS), **settings[kind])
    args, kwargs = network._init_args_kwargs
    return {
        "klass": klass,
        "args": args,
        "kwargs": kwargs,
        "state": {name: tensor.half() for name, tensor in network.state_dict().items()},
        # What training leaves there: plain settings, numpy's scalars among them.
        "training_args": {"lr": 3e-4, "svd": {"penalty": np.float64(0.5)}},
    }


def _network_kind(name: str, place: int) -> str:
    if name.startswith("htdemucs"):
        return "HTDemucs"
    return "Demucs" if name == "mdx" and place >= 2 else "HDemucs"


def _save(model: Any, folder: Path) -> None:
    from mpq_checks.models.quiet import quiet_transformers

    folder.mkdir(parents=True, exist_ok=True)
    with quiet_transformers():
        model.save_pretrained(folder)


def _write_json(path: Path, content: object) -> None:
    path.write_text(json.dumps(content))


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield
