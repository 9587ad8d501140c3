"""Rows of a dataset that a hub keeps as parquet files.

Only the files that a prefix needs are downloaded, into huggingface_hub's own cache and with its
own settings (HF_TOKEN or `hf auth login`, HF_ENDPOINT, HF_HOME). No code of a repository runs.

A revision is a commit, or a moving name such as `refs/convert/parquet`. A name is resolved once:
the commit and the SHA-256 of each file (as the hub states it, and as it arrived) are recorded in
the asset cache, and from then on that commit is read and each file has to have its hash. To take a
newer commit, delete the record.
"""

import hashlib
import json
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import lru_cache
from pathlib import Path
from typing import Any

from mpq_checks.assets.fetching import is_offline
from mpq_checks.assets.listing import file_sha256
from mpq_checks.assets.storage import cache_dir, locked, storage_errors
from mpq_checks.atomic import write_text_atomically
from mpq_checks.datasets.location import Publication, where_to_get
from mpq_checks.datasets.parquet import HubRows, RowGroup, require_parquet, row_groups
from mpq_checks.errors import AssetCorruptError, AssetMissingError, DatasetError

__all__ = ["CONVERTED", "HubSplit", "hub_rows", "is_downloaded", "recorded_commit"]

CONVERTED = "refs/convert/parquet"
"""The hub's own conversion of a dataset to parquet: a name that moves."""

_COMMIT = re.compile(r"[0-9a-f]{40}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_TIMEOUT_SECONDS = 30


@dataclass(frozen=True)
class HubSplit:
    """One split of a dataset on the hub.

    Attributes:
        repo: owner/name.
        files: patterns of its parquet files; the first pattern that matches any file is taken,
            and the files are read in the order of their names.
        revision: a commit, or a name that is resolved at first use.
    """

    repo: str
    files: tuple[str, ...]
    revision: str = CONVERTED


def hub_rows(split: HubSplit, publication: Publication, limit: int | None) -> HubRows:
    """Open the first `limit` rows of a split, or all; what is not here is downloaded.

    Raises:
        AssetMissingError: gated, moved, not to be reached, or downloads are off; the message says
            where else to get the data.
        AssetCorruptError: a file does not have its recorded hash.
        AssetStorageError: the cache cannot be written.
        DatasetError: files that are no parquet, or of which the hub converted only a part.
    """
    return _opened(split, publication, limit, cache_dir())


def recorded_commit(split: HubSplit) -> str | None:
    """The commit that was read before on this machine, None where none was."""
    record = _read_record(split)
    return record["commit"] if record else None


def is_downloaded(split: HubSplit) -> bool:
    """Whether the files that were read before on this machine are still in the hub's cache."""
    record = _read_record(split)
    if record is None or not record["sha256"]:
        return False
    from huggingface_hub import try_to_load_from_cache

    return all(
        isinstance(
            try_to_load_from_cache(
                split.repo, name, revision=record["commit"], repo_type="dataset"
            ),
            str,
        )
        for name in record["sha256"]
    )


@lru_cache(maxsize=16)
def _opened(
    split: HubSplit, publication: Publication, limit: int | None, _cache_dir: Path
) -> HubRows:
    with locked(f"hub-{_key(split)}"):
        record = _read_record(split) or _resolve(split, publication)
        groups: list[RowGroup] = []
        used: list[str] = []
        num_rows = 0
        for name in record["files"]:
            if limit is not None and num_rows >= limit:
                break
            groups += row_groups(_fetched(split, publication, record, name), num_rows)
            num_rows = sum(group.num_rows for group in groups)
            used.append(name)
        if not num_rows:
            raise DatasetError(f"{split.repo} at {record['commit']}: its files hold no rows")
        if limit is None and any("partial-" in name for name in used):
            raise DatasetError(
                f"{split.repo} at {record['commit']}: the hub converted only the beginning of "
                f"this split to parquet. {where_to_get(publication)}"
            )
    hashes = tuple((name, record["sha256"][name]) for name in used)
    kept = num_rows if limit is None else min(limit, num_rows)
    return HubRows(split.repo, record["commit"], hashes, kept, tuple(groups))


def _resolve(split: HubSplit, publication: Publication) -> dict[str, Any]:
    """Ask the hub for the commit and the names of the files."""
    if is_offline():
        raise AssetMissingError(
            f"{publication.name} is not here, and downloads are off (--mpq-offline, MPQ_OFFLINE). "
            f"{where_to_get(publication)}"
        )
    from huggingface_hub import HfApi

    with _hub_errors(split, publication):
        info = HfApi().dataset_info(
            split.repo, revision=split.revision, timeout=_TIMEOUT_SECONDS, files_metadata=True
        )
    commit = str(info.sha)
    if not _COMMIT.fullmatch(commit) or (
        _COMMIT.fullmatch(split.revision) and commit != split.revision
    ):
        raise AssetCorruptError(
            f"the hub gave commit {commit!r} for {split.repo} at {split.revision}"
        )
    stated = {
        entry.rfilename: entry.lfs.sha256 if entry.lfs else None for entry in info.siblings or ()
    }
    files = _matching(list(stated), split.files)
    if not files:
        raise AssetMissingError(
            f"{split.repo} at {commit} has no files like {' or '.join(split.files)}. "
            f"{where_to_get(publication)}"
        )
    return {
        "repo": split.repo,
        "revision": split.revision,
        "commit": commit,
        "files": {name: stated[name] for name in files},
        "sha256": {},
    }


def _matching(names: list[str], patterns: tuple[str, ...]) -> list[str]:
    for pattern in patterns:
        found = sorted(name for name in names if fnmatchcase(name, pattern))
        if found:
            return found
    return []


def _fetched(split: HubSplit, publication: Publication, record: dict[str, Any], name: str) -> Path:
    """One file, downloaded where it is not here, with its recorded hash."""
    from huggingface_hub import hf_hub_download

    with _hub_errors(split, publication):
        path = Path(
            hf_hub_download(
                split.repo,
                name,
                repo_type="dataset",
                revision=record["commit"],
                local_files_only=is_offline(),
            )
        )
    found = _sha256(path, path.stat().st_mtime_ns, path.stat().st_size)
    wanted = record["sha256"].get(name) or record["files"][name] or found
    if found != wanted:
        raise AssetCorruptError(
            f"{path} has SHA-256 {found}, not {wanted}. Delete it, {path.resolve()} and, where "
            f"the file has changed on the hub, {_record_path(split)}."
        )
    if name not in record["sha256"]:
        require_parquet(path)
        record["sha256"][name] = found
        with storage_errors():
            _record_path(split).parent.mkdir(parents=True, exist_ok=True)
            write_text_atomically(_record_path(split), json.dumps(record, indent=2) + "\n")
    return path


def _key(split: HubSplit) -> str:
    stated = json.dumps([split.repo, split.revision, split.files])
    return f"{split.repo.replace('/', '--')}-{hashlib.sha256(stated.encode()).hexdigest()[:12]}"


def _record_path(split: HubSplit) -> Path:
    return cache_dir() / "hub" / f"{_key(split)}.json"


def _read_record(split: HubSplit) -> dict[str, Any] | None:
    path = _record_path(split)
    if not path.is_file():
        return None
    try:
        record = json.loads(path.read_text("utf-8"))
        whole = (
            record["repo"] == split.repo
            and record["revision"] == split.revision
            and _COMMIT.fullmatch(record["commit"])
            and all(value is None or _SHA256.fullmatch(value) for value in record["files"].values())
            and all(_SHA256.fullmatch(value) for value in record["sha256"].values())
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as exc:
        raise AssetCorruptError(f"{path} cannot be read: {exc}. Delete it.") from exc
    if not whole or not isinstance(record, dict):
        raise AssetCorruptError(f"{path} is no record of {split.repo}. Delete it.")
    return record


@lru_cache(maxsize=64)
def _sha256(path: Path, _mtime_ns: int, _num_bytes: int) -> str:
    return file_sha256(path)


@contextmanager
def _hub_errors(split: HubSplit, publication: Publication) -> Iterator[None]:
    """Turn what huggingface_hub raises into one AssetMissingError that says what to do."""
    from huggingface_hub import errors

    # The base of the hub's own errors is that of the HTTP library which it uses.
    network: type[Exception] = errors.HfHubHTTPError.__mro__[1]
    get = where_to_get(publication)
    at = f"{split.repo} at {split.revision}"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except errors.GatedRepoError as exc:
        raise AssetMissingError(
            f"{split.repo} is gated on the hub: accept its terms at {publication.page} with an "
            f"account, and log in (`hf auth login`, or HF_TOKEN). Or without the hub: {get}"
        ) from exc
    except (errors.RepositoryNotFoundError, errors.DisabledRepoError) as exc:
        raise AssetMissingError(
            f"the hub has no dataset {split.repo} for this account (log in with `hf auth login` "
            f"or HF_TOKEN where it is private). {get}"
        ) from exc
    except (errors.RevisionNotFoundError, errors.RemoteEntryNotFoundError) as exc:
        raise AssetMissingError(f"the hub has no such file or revision: {at}. {get}") from exc
    except (errors.LocalEntryNotFoundError, errors.OfflineModeIsEnabled) as exc:
        raise AssetMissingError(
            f"{at} is not in the hub's cache, and the hub is off or cannot be reached. {get}"
        ) from exc
    # OSError: a full disk, a download that broke off, a server that is no hub.
    except (errors.HFValidationError, network, OSError) as exc:
        reason = str(exc).splitlines()[0] if str(exc) else type(exc).__name__
        raise AssetMissingError(f"{at} cannot be read from the hub: {reason}. {get}") from exc
