"""A model hub on 127.0.0.1, as far as huggingface_hub asks one."""

import hashlib
import json
import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any


class FakeHub:
    """Serves repositories: `owner/name` to the files of each commit, and branches to commits."""

    def __init__(self) -> None:
        self.commits: dict[str, dict[str, dict[str, bytes]]] = {}
        self.branches: dict[str, dict[str, str]] = {}
        self.gated: set[str] = set()
        self.broken: set[str] = set()
        self.requests: Counter[str] = Counter()
        hub = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                hub._answer(self, with_body=True)

            def do_HEAD(self) -> None:
                hub._answer(self, with_body=False)

            def log_message(self, *arguments: Any) -> None:
                pass

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._http.server_port}"
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()

    def push(self, repo: str, folder: Path, branch: str = "main") -> str:
        """Publish the files of a folder as a new commit of the branch; gives the commit."""
        files = {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
        digest = hashlib.sha1(repr(sorted(files.items())).encode(), usedforsecurity=False)
        commit = digest.hexdigest()
        self.commits.setdefault(repo, {})[commit] = files
        self.branches.setdefault(repo, {})[branch] = commit
        return commit

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    def _answer(self, request: BaseHTTPRequestHandler, *, with_body: bool) -> None:
        path = request.path.split("?")[0]
        self.requests[f"{request.command} {path}"] += 1
        status, headers, body = self._content(path.strip("/").split("/"))
        headers.setdefault("Content-Length", str(len(body)))
        request.send_response(status)
        for name, value in headers.items():
            request.send_header(name, value)
        request.end_headers()
        if with_body:
            request.wfile.write(body)
            if len(body) != int(headers["Content-Length"]):
                request.close_connection = True

    def _content(self, parts: list[str]) -> tuple[int, dict[str, str], bytes]:
        api = parts[:2] == ["api", "models"]
        owner_name, rest = (parts[2:4], parts[4:]) if api else (parts[:2], parts[2:])
        repo = "/".join(owner_name)
        if repo not in self.commits:
            return 404, {"X-Error-Code": "RepoNotFound"}, b"{}"
        if repo in self.gated:
            return 403, {"X-Error-Code": "GatedRepo"}, b"{}"
        revision = rest[1] if len(rest) > 1 else "main"
        commit = self.branches[repo].get(revision, revision)
        if commit not in self.commits[repo]:
            return 404, {"X-Error-Code": "RevisionNotFound"}, b"{}"
        files = self.commits[repo][commit]
        if api:
            listed = [{"rfilename": name} for name in files]
            info = {"id": repo, "modelId": repo, "sha": commit, "siblings": listed}
            return 200, {"Content-Type": "application/json"}, json.dumps(info).encode()
        name = rest[2]
        if name not in files:
            return 404, {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": commit}, b""
        data = files[name]
        headers = {
            "X-Repo-Commit": commit,
            "ETag": f'"{hashlib.sha256(data).hexdigest()}"',
            "Content-Length": str(len(data)),
        }
        return 200, headers, data[: len(data) // 2] if name in self.broken else data
