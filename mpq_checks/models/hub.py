"""Models of the Hugging Face hub: found in a local folder, in the hub's cache, or fetched.

A model lies in the folder `MPQ_MODELS_DIR/<owner>/<name>` (or `<owner>--<name>`), where somebody
put its files by hand, or else in the cache of huggingface_hub, which fetches what is absent. What
was fetched or found in that cache is recorded on first use in the asset cache: the commit and the
SHA-256 of each file. From then on that commit is used, and the files must be the recorded ones.
"""

import datetime
import json
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeAlias

from mpq_checks.assets.fetching import is_offline
from mpq_checks.assets.storage import cache_dir, locked, storage_errors
from mpq_checks.errors import AssetCorruptError, AssetMissingError, ModelError
from mpq_checks.models.pretrained_folder import (
    PICKLED_WEIGHTS,
    SETTINGS,
    SHARDS,
    WEIGHTS,
    PretrainedFolder,
    file_sha256,
)

__all__ = [
    "LOCAL",
    "MODELS_VARIABLE",
    "HubModel",
    "ModelPlace",
    "Snapshot",
    "local_model_folder",
    "place_identity",
    "pretrained_folder",
]

MODELS_VARIABLE = "MPQ_MODELS_DIR"
"""Environment variable that names a folder of models the user has already."""

LOCAL = "local folder"
"""Stands for the commit where the files were put by hand."""

_REPO = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*", re.ASCII)
_REVISION = re.compile(r"[A-Za-z0-9][\w./-]*", re.ASCII)
_SHARD = re.compile(r"model-\d+-of-\d+\.safetensors", re.ASCII)
_TIMEOUT_SECONDS = 15.0


@dataclass(frozen=True)
class Snapshot:
    """The files of a model, at one commit."""

    folder: Path
    commit: str


@dataclass(frozen=True)
class HubModel:
    """A model of the hub as data; nothing is fetched before its files are asked for.

    Args:
        repo: `owner/name`.
        revision: a commit, which never changes, or a branch, of which the commit that the first
            use finds is kept.
        licence: as the hub states it.
        num_bytes: rough size of what would be fetched, for listings.

    Raises:
        ModelError: a name or a revision of another form.
    """

    repo: str
    revision: str = "main"
    licence: str = "not stated"
    num_bytes: int = 0

    def __post_init__(self) -> None:
        """Refuse names that could lead out of a folder."""
        if not _REPO.fullmatch(self.repo) or ".." in self.repo or "--" in self.repo:
            raise ModelError(f"{self.repo!r} is not the name of a model on the hub: owner/name")
        if not _REVISION.fullmatch(self.revision) or ".." in self.revision:
            raise ModelError(f"{self.repo}: {self.revision!r} is not a commit, branch or tag")

    @property
    def page(self) -> str:
        """Where the model is published."""
        from huggingface_hub import constants

        return f"{constants.ENDPOINT}/{self.repo}"

    def is_here(self) -> bool:
        """Whether it could be used without the network, judged by the presence of files."""
        if local_model_folder(self.repo) is not None:
            return True
        record = _read_record(self)
        return (_recorded_folder(self, record) if record else _cached_folder(self)) is not None

    def snapshot(self, *, progress: bool = False) -> Snapshot:
        """The files, fetched first if need be.

        Args:
            progress: whether huggingface_hub draws its bars while it fetches.

        Raises:
            AssetMissingError: not here, and downloads are off or the hub does not give it.
            AssetCorruptError: files other than those of the first use.
            AssetStorageError: the record cannot be written.
        """
        local = local_model_folder(self.repo)
        if local is not None:
            return Snapshot(local, LOCAL)
        with locked(f"hub-{_key(self)}"), _bars(shown=progress):
            record = _read_record(self)
            if record is None:
                return self._first_use()
            folder = _recorded_folder(self, record) or self._fetched(record["commit"]).folder
            _require_recorded(self, record, folder)
        return Snapshot(folder, record["commit"])

    def _first_use(self) -> Snapshot:
        try:
            found = self._fetched(self.revision)
        except AssetMissingError:
            cached = _cached_folder(self)
            if cached is None:
                raise
            found = Snapshot(cached, cached.name)
        _write_record(self, found)
        return found

    def _fetched(self, revision: str) -> Snapshot:
        if is_offline():
            raise self._missing("downloads are off (--mpq-offline, MPQ_OFFLINE)")
        import huggingface_hub
        from huggingface_hub import constants

        api = huggingface_hub.HfApi()
        try:
            info = api.model_info(self.repo, revision=revision, timeout=_TIMEOUT_SECONDS)
            names = [sibling.rfilename for sibling in info.siblings or ()]
            paths = [
                huggingface_hub.hf_hub_download(
                    self.repo,
                    name,
                    revision=info.sha,
                    cache_dir=constants.HF_HUB_CACHE,
                )
                for name in _wanted(names)
            ]
        except Exception as exc:  # of huggingface_hub, httpx, the disk
            raise self._missing(self._reason(exc, revision)) from exc
        if not paths or info.sha is None:
            raise self._missing("the hub lists none of the files that a model has")
        return Snapshot(Path(paths[0]).parent, info.sha)

    def _reason(self, exc: Exception, revision: str) -> str:
        from huggingface_hub import errors

        if isinstance(exc, errors.GatedRepoError):
            return (
                "its owner wants terms to be accepted first: do so on its page, then log in with "
                "`hf auth login` or set HF_TOKEN"
            )
        if isinstance(exc, errors.RevisionNotFoundError):
            return f"it has no revision {revision}"
        if isinstance(exc, errors.RepositoryNotFoundError):
            return "the hub shows no such model to you; if it is private, log in: `hf auth login`"
        if isinstance(exc, errors.OfflineModeIsEnabled):
            return "downloads are off (HF_HUB_OFFLINE)"
        lines = str(exc).strip().splitlines()
        return f"{type(exc).__name__}: {lines[0] if lines else 'no reason given'}"

    def _missing(self, reason: str) -> AssetMissingError:
        folder = os.environ.get(MODELS_VARIABLE) or f"${MODELS_VARIABLE}"
        return AssetMissingError(
            f"model {self.repo} is not here and cannot be fetched: {reason}. It is published at "
            f"{self.page}; put its files (config.json, {WEIGHTS}, the preprocessing or tokenizer) "
            f"into {folder}/{self.repo}, a folder that {MODELS_VARIABLE} names the root of."
        )


ModelPlace: TypeAlias = str | Path | HubModel
"""Where a model's files are: a folder that `save_pretrained` wrote, or a model of the hub."""


def pretrained_folder(place: ModelPlace) -> PretrainedFolder:
    """The model's files. Raises as `HubModel.snapshot` does; a folder may be absent."""
    return PretrainedFolder(place.snapshot().folder if isinstance(place, HubModel) else Path(place))


def place_identity(place: ModelPlace) -> dict[str, str]:
    """Name and commit of a model of the hub; of a folder nothing, its files say all."""
    if not isinstance(place, HubModel):
        return {}
    return {"repo": place.repo, "commit": place.snapshot().commit}


def local_model_folder(repo: str) -> Path | None:
    """The folder under MPQ_MODELS_DIR that somebody put the model into."""
    root = os.environ.get(MODELS_VARIABLE)
    if not root:
        return None
    base = Path(root).expanduser().absolute()
    for folder in (base / repo, base / repo.replace("/", "--")):
        if folder.is_dir():
            return folder
    return None


def _wanted(names: Sequence[str]) -> list[str]:
    """Of the files of a repository those that are used; safetensors before anything else."""
    there = [name for name in SETTINGS if name in names]
    if WEIGHTS in names:
        return [*there, WEIGHTS]
    if SHARDS in names:
        return [*there, SHARDS, *sorted(name for name in names if _SHARD.fullmatch(name))]
    return [*there, PICKLED_WEIGHTS] if PICKLED_WEIGHTS in names else there


def _key(model: HubModel) -> str:
    return f"{model.repo}@{model.revision}".replace("/", "--")


def _record_path(model: HubModel) -> Path:
    return cache_dir() / "hub" / f"{_key(model)}.json"


def _read_record(model: HubModel) -> dict[str, Any] | None:
    path = _record_path(model)
    try:
        record = json.loads(path.read_text("utf-8"))
        if set(record) >= {"commit", "files"} and isinstance(record["files"], dict):
            return dict(record)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError):
        pass
    raise AssetCorruptError(f"{path} is not the record of {model.repo}; delete it and run again")


def _write_record(model: HubModel, found: Snapshot) -> None:
    from mpq_checks.atomic import write_text_atomically

    used = [path for path in _files_of(found.folder) if path.is_file()]
    record = {
        **asdict(model),
        "commit": found.commit,
        "files": {path.name: file_sha256(path) for path in used},
        "recorded": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    }
    path = _record_path(model)
    with storage_errors():
        path.parent.mkdir(parents=True, exist_ok=True)
        write_text_atomically(path, json.dumps(record, indent=2) + "\n")


def _files_of(folder: Path) -> list[Path]:
    """The files that are used of a snapshot, which may hold others."""
    return [folder / name for name in _wanted([path.name for path in folder.iterdir()])]


def _recorded_folder(model: HubModel, record: dict[str, Any]) -> Path | None:
    """The snapshot in the hub's cache, where it has all recorded files."""
    paths = [_in_hub_cache(model.repo, name, record["commit"]) for name in record["files"]]
    found = [path for path in paths if path is not None]
    return found[0].parent if found and len(found) == len(paths) else None


def _cached_folder(model: HubModel) -> Path | None:
    """A snapshot in the hub's cache that has configuration and weights."""
    config = _in_hub_cache(model.repo, SETTINGS[0], model.revision)
    if config is None:
        return None
    try:
        PretrainedFolder(config.parent).weights()
    except ModelError:
        return None
    return config.parent


def _in_hub_cache(repo: str, name: str, revision: str) -> Path | None:
    from huggingface_hub import constants, try_to_load_from_cache

    found = try_to_load_from_cache(repo, name, constants.HF_HUB_CACHE, revision)
    return Path(found) if isinstance(found, str) else None


_checked: set[tuple[HubModel, Path]] = set()
"""What this process found to be the recorded files already."""


def _require_recorded(model: HubModel, record: dict[str, Any], folder: Path) -> None:
    if (model, folder) in _checked:
        return
    for name, sha256 in record["files"].items():
        found = file_sha256(folder / name)
        if found != sha256:
            raise AssetCorruptError(
                f"{folder / name} has SHA-256 {found}, not {sha256} as on first use; delete "
                f"{folder} and run again to fetch it anew, or delete {_record_path(model)} if the "
                "change is meant"
            )
    _checked.add((model, folder))


@contextmanager
def _bars(*, shown: bool) -> Iterator[None]:
    """Keep huggingface_hub from drawing progress bars unless they are wanted."""
    from huggingface_hub.utils.tqdm import (
        are_progress_bars_disabled,
        disable_progress_bars,
        enable_progress_bars,
    )

    if shown or are_progress_bars_disabled():
        yield
        return
    disable_progress_bars()
    try:
        yield
    finally:
        enable_progress_bars()
