"""A hub on 127.0.0.1 that speaks as much of the hub's protocol as huggingface_hub needs to read."""

import hashlib
import json
import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest


def commit_of(repo: str) -> str:
    """The commit that moving names of a repository stand for."""
    return hashlib.sha1(repo.encode(), usedforsecurity=False).hexdigest()


class HubServer:
    """Serves repositories as `files[repo][path]`, of either kind; counts downloads by path.

    `gated` repositories need the token `hf_good`; `closed` ones are answered as if absent.
    A commit that is asked for is taken for one of the repository; other names move: `commits`.
    """

    def __init__(self) -> None:
        self.files: dict[str, dict[str, bytes]] = {}
        self.gated: set[str] = set()
        self.closed: set[str] = set()
        self.commits: dict[str, str] = {}
        self.downloads: Counter[str] = Counter()
        self.requests = 0
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._http.server_port}"
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()

    def environment(self, home: Path) -> dict[str, str]:
        """Variables with which another process reads from here; `home` takes its cache."""
        return {"HF_ENDPOINT": self.url, "HF_HOME": str(home), "HF_HUB_DISABLE_TELEMETRY": "1"}

    def use(self, monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
        """Read from here in this process, where huggingface_hub may be imported already."""
        from huggingface_hub import constants

        monkeypatch.setattr(constants, "ENDPOINT", self.url)
        template = self.url + "/{repo_id}/resolve/{revision}/{filename}"
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(home / "hub"))
        monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(home / "token"))
        monkeypatch.delenv("HF_TOKEN", raising=False)

    def commit(self, repo: str, revision: str) -> str:
        is_commit = len(revision) == 40 and set(revision) <= set("0123456789abcdef")
        return revision if is_commit else self.commits.get(repo, commit_of(repo))

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()


def _handler(server: HubServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self._answer(body=False)

        def do_GET(self) -> None:
            self._answer(body=True)

        def _answer(self, body: bool) -> None:
            server.requests += 1
            path = urlsplit(self.path).path
            if path.startswith("/api/"):
                _, _, _, owner, name, _, revision = path.split("/", 6)
                self._describe(f"{owner}/{name}", unquote(revision))
                return
            repo_path, _, rest = path.removeprefix("/datasets").lstrip("/").partition("/resolve/")
            revision, _, filename = rest.partition("/")
            self._file(repo_path, unquote(revision), unquote(filename), body)

        def _describe(self, repo: str, revision: str) -> None:
            if repo not in server.files or repo in server.closed:
                self._refuse(404, "RepoNotFound")
                return
            siblings = [
                {
                    "rfilename": name,
                    "size": len(data),
                    "blobId": hashlib.sha1(data, usedforsecurity=False).hexdigest(),
                    "lfs": {
                        "sha256": hashlib.sha256(data).hexdigest(),
                        "size": len(data),
                        "pointerSize": 130,
                    },
                }
                for name, data in server.files[repo].items()
            ]
            answer = {"id": repo, "sha": server.commit(repo, revision), "siblings": siblings}
            self._send(200, json.dumps(answer).encode(), {"Content-Type": "application/json"})

        def _file(self, repo: str, revision: str, filename: str, body: bool) -> None:
            if repo not in server.files or repo in server.closed:
                self._refuse(404, "RepoNotFound")
                return
            login = self.headers.get("Authorization")
            if repo in server.gated and login != "Bearer hf_good":
                self._refuse(403 if login else 401, "GatedRepo")
                return
            if filename not in server.files[repo]:
                self._refuse(404, "EntryNotFound")
                return
            data = server.files[repo][filename]
            headers = {
                "X-Repo-Commit": server.commit(repo, revision),
                "ETag": f'"{hashlib.sha256(data).hexdigest()}"',
            }
            if body:
                server.downloads[f"{repo}/{filename}"] += 1
            self._send(200, data, headers, body=body)

        def _refuse(self, status: int, code: str) -> None:
            self._send(status, b"{}", {"X-Error-Code": code, "X-Error-Message": code})

        def _send(
            self, status: int, data: bytes, headers: dict[str, str], body: bool = True
        ) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            if body and self.command != "HEAD":
                self.wfile.write(data)

        def log_message(self, *arguments: Any) -> None:
            pass

    return Handler
