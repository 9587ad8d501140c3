"""A folder written by transformers' `save_pretrained`: checked, hashed and loaded offline."""

import hashlib
import json
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mpq_checks.errors import ModelError
from mpq_checks.torch_stack import prepare

if TYPE_CHECKING:
    import torch

__all__ = ["PICKLED_WEIGHTS", "SETTINGS", "SHARDS", "WEIGHTS", "PretrainedFolder", "file_sha256"]

WEIGHTS = "model.safetensors"
SHARDS = "model.safetensors.index.json"
PICKLED_WEIGHTS = "pytorch_model.bin"

_CONFIG = "config.json"
_PREPROCESSING = "preprocessor_config.json"

SETTINGS = (
    _CONFIG,
    "generation_config.json",
    _PREPROCESSING,
    "processor_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "merges.txt",
    "normalizer.json",
)
"""The files beside the weights that a model may have; config.json first."""

_OLD_PROCESSOR = "FeatureExtractor"


@dataclass(frozen=True)
class PretrainedFolder:
    """The files of one model. Each method raises ModelError, naming the file and the mend."""

    path: Path

    def config(self) -> dict[str, Any]:
        """The content of config.json."""
        return self._json(_CONFIG, "save the model there with model.save_pretrained(folder)")

    def preprocessing(self) -> dict[str, Any]:
        """The content of preprocessor_config.json."""
        return self._json(
            _PREPROCESSING,
            "save the image processor there with "
            "AutoImageProcessor.from_pretrained(...).save_pretrained(folder)",
        )

    def weights(self) -> tuple[Path, ...]:
        """The file or files with the weights; safetensors before anything else."""
        self._require_folder()
        if (self.path / WEIGHTS).is_file():
            return (self.path / WEIGHTS,)
        if (self.path / SHARDS).is_file():
            return self._shards()
        if (self.path / PICKLED_WEIGHTS).is_file():
            return (self.path / PICKLED_WEIGHTS,)
        raise ModelError(
            f"{self.path} has no {WEIGHTS} (nor {SHARDS}, nor {PICKLED_WEIGHTS}); "
            "save the model there with model.save_pretrained(folder)"
        )

    def settings(self) -> tuple[Path, ...]:
        """The files beside the weights that are there."""
        return tuple(self.path / name for name in SETTINGS if (self.path / name).is_file())

    def identity(self) -> dict[str, str]:
        """Class, hashes of weights and config, preprocessing, versions of the libraries."""
        config = self.config()
        architectures = config.get("architectures") or [config.get("model_type", "unknown")]
        return {
            "class": str(architectures[0]),
            "weights_sha256": self._weights_sha256(),
            "config_sha256": file_sha256(self.path / _CONFIG),
            "preprocessing": json.dumps(self.preprocessing(), sort_keys=True),
            "transformers": version("transformers"),
            "torch": version("torch"),
        }

    def class_names(self) -> tuple[str, ...]:
        """`id2label` of config.json in the order of the logits; empty where nobody named them."""
        names = self.config().get("id2label")
        if not isinstance(names, dict):
            return ()
        found = tuple(str(names.get(str(place), "")) for place in range(len(names)))
        named = all(found) and found != tuple(f"LABEL_{place}" for place in range(len(names)))
        return found if named else ()

    def load_model(self, auto_class: str, device: str, dtype: "torch.dtype | None" = None) -> Any:
        """The model on the device, ready to predict; no code of the folder is run.

        Args:
            auto_class: transformers' class that builds it.
            device: `cpu` or `cuda`.
            dtype: of the weights, float32 unless told.
        """
        self.config()
        self.weights()
        prepare()
        import torch
        import transformers

        from mpq_checks.models.quiet import quiet_transformers

        try:
            with quiet_transformers():
                model, loading = getattr(transformers, auto_class).from_pretrained(
                    self.path,
                    local_files_only=True,
                    trust_remote_code=False,
                    weights_only=True,
                    dtype=dtype or torch.float32,
                    output_loading_info=True,
                )
        except Exception as exc:  # whatever a foreign file makes transformers raise
            raise ModelError(
                f"{self.path} cannot be loaded with {auto_class}: {_first_line(exc)}; "
                "save the model anew with model.save_pretrained(folder)"
            ) from exc
        missing = sorted(loading["missing_keys"])
        if missing:
            raise ModelError(
                f"{self.path}: the weights of {type(model).__name__} lack {len(missing)} of its "
                f"tensors, {missing[0]} first, which would be random; save the whole fine-tuned "
                "model, not its trunk"
            )
        try:
            return model.eval().to(device)
        except (RuntimeError, AssertionError) as exc:
            raise ModelError(f"device {device!r} cannot be used: {_first_line(exc)}") from exc

    def load_processor(self) -> Any:
        """The image processor, on PIL and numpy, so that it does not need torchvision."""
        kind = str(self.preprocessing().get("image_processor_type", ""))
        prepare()
        import transformers

        from mpq_checks.models.quiet import quiet_transformers

        auto: Any = transformers.AutoImageProcessor  # its from_pretrained has no types
        options: dict[str, Any] = {"trust_remote_code": False, "backend": "pil"}
        if kind.endswith(_OLD_PROCESSOR):
            # The name of before 2023, which the automatic class no longer knows.
            name = f"{kind.removesuffix(_OLD_PROCESSOR)}ImageProcessorPil"
            auto, options = getattr(transformers, name, auto), {}
        try:
            with quiet_transformers():
                return auto.from_pretrained(self.path, local_files_only=True, **options)
        except Exception as exc:  # as above
            raise ModelError(
                f"{self.path / _PREPROCESSING} cannot be used: {_first_line(exc)}; save the image "
                "processor anew with processor.save_pretrained(folder)"
            ) from exc

    def _require_folder(self) -> None:
        if not self.path.is_dir():
            raise ModelError(
                f"no model folder {self.path}; give the folder that "
                "model.save_pretrained(folder) wrote"
            )

    def _json(self, name: str, mend: str) -> dict[str, Any]:
        self._require_folder()
        path = self.path / name
        if not path.is_file():
            raise ModelError(f"{self.path} has no {name}; {mend}")
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as exc:
            raise ModelError(f"{path} is not JSON: {exc}; {mend}") from exc
        if not isinstance(content, dict):
            raise ModelError(f"{path} holds {type(content).__name__}, not an object; {mend}")
        return content

    def _shards(self) -> tuple[Path, ...]:
        mend = "save the model anew with model.save_pretrained(folder)"
        names = self._json(SHARDS, mend).get("weight_map")
        if not isinstance(names, dict) or not names:
            raise ModelError(f"{self.path / SHARDS} has no weight_map; {mend}")
        shards = tuple(self.path / str(name) for name in sorted(set(names.values())))
        for shard in shards:
            if shard.parent != self.path or shard.suffix != ".safetensors" or not shard.is_file():
                raise ModelError(f"{self.path / SHARDS} names {shard.name}, not there; {mend}")
        return shards

    def _weights_sha256(self) -> str:
        files = self.weights()
        if len(files) == 1:
            return file_sha256(files[0])
        lines = "".join(f"{file_sha256(file)}  {file.name}\n" for file in files)
        return hashlib.sha256(lines.encode()).hexdigest()


def file_sha256(path: Path) -> str:
    """SHA-256 of a file; remembered until the file changes. Raises ModelError."""
    try:
        stat = path.stat()
        return _hash_file(path, stat.st_mtime_ns, stat.st_size)
    except OSError as exc:
        raise ModelError(f"{path} cannot be read: {exc}") from exc


@lru_cache(maxsize=64)
def _hash_file(path: Path, _mtime_ns: int, _num_bytes: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _first_line(exc: BaseException) -> str:
    """The first line of what a library says, with the kind of its error."""
    lines = str(exc).strip().splitlines()
    return f"{type(exc).__name__}: {lines[0] if lines else 'no reason given'}"
