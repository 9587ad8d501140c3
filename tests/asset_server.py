"""A package index and an official site on 127.0.0.1, and archives to put there."""

import hashlib
import io
import tarfile
import threading
import zipfile
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class AssetServer:
    """Serves `files` by path; counts requests; `broken` paths break off that many times."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.broken: Counter[str] = Counter()
        self.requests: Counter[str] = Counter()
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                server.requests[self.path] += 1
                data = server.files.get(self.path)
                if data is None:
                    self.send_error(404)
                    return
                self.send_response(200)
                kind = "text/html" if self.path.endswith("/") else "application/octet-stream"
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                if server.broken[self.path]:
                    server.broken[self.path] -= 1
                    self.wfile.write(data[: len(data) // 2])
                else:
                    self.wfile.write(data)
                self.close_connection = True

            def log_message(self, *arguments: Any) -> None:
                pass

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._http.server_port}"
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()

    def add_archive(self, project: str, filename: str, data: bytes) -> None:
        self.files[f"/files/{filename}"] = data
        page = f'<!DOCTYPE html><a href="/files/{filename}">{filename}</a>'
        self.files[f"/simple/{project}/"] = page.encode()

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()


def zip_of(members: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as file:
        for name, data in members.items():
            file.writestr(name, data)
    return out.getvalue()


def tar_of(members: dict[str, bytes], *special: tarfile.TarInfo) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as file:
        for info in special:
            file.addfile(info)
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            file.addfile(info, io.BytesIO(data))
    return out.getvalue()


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def listing_sha256(files: dict[str, bytes]) -> str:
    lines = [f"{sha256(data)} {len(data)} {name}\n" for name, data in sorted(files.items())]
    return sha256("".join(lines).encode())
