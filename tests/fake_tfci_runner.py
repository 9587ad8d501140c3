"""A runner in plain Python that behaves as its second argument says.

The tests start it in the place of the real one, which needs TensorFlow. The first argument is the
real one's path, whose protocol it takes. It codes an image as its bytes behind a letter.
"""

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

protocol: Any = {}
exec(Path(sys.argv[1]).read_text("utf-8").split("def main()")[0], protocol)  # noqa: S102

BEHAVIOUR = sys.argv[2]


def reply(kind: bytes, payload: bytes) -> None:
    protocol["write_message"](sys.stdout.buffer, kind, payload)


def log(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


def serve() -> None:
    while (message := protocol["read_message"](sys.stdin.buffer)) is not None:
        kind, payload = message
        misbehave(payload)
        if kind == protocol["ENCODE"]:
            reply(protocol["CODED"], protocol["pack_checksum"](7, b"x" + payload))
        else:
            reply(protocol["DECODED"], protocol["pack_checksum"](7, payload[1:]))


def misbehave(payload: bytes) -> None:
    if BEHAVIOUR == "dies":
        log("W tensorflow: out of memory")
        os._exit(3)
    if BEHAVIOUR == "hangs":
        time.sleep(600)
    if BEHAVIOUR == "garbage":
        sys.stdout.buffer.write(b"HTTP/1.1 200 OK\r\n" * 100)
        sys.stdout.buffer.flush()
    if BEHAVIOUR == "huge":
        sys.stdout.buffer.write(b"tfciC\xff\xff\xff\xff")
        sys.stdout.buffer.flush()
    if BEHAVIOUR == "short":
        sys.stdout.buffer.write(b"tfciC\x10\0\0\0abc")
        sys.stdout.buffer.flush()
        os._exit(0)
    if BEHAVIOUR == "wrong-kind":
        reply(b"?", b"")
    if BEHAVIOUR == "empty":
        reply(protocol["CODED"], b"")
    if BEHAVIOUR == "error":
        log("W tensorflow: the graph is old")
        time.sleep(0.2)
        reply(protocol["ERROR"], b"InvalidArgumentError: shapes")
        serve()
    if BEHAVIOUR == "chatters":
        for _ in range(5000):
            log("W tensorflow: " + "x" * 90)


def start() -> None:
    if BEHAVIOUR == "refuses":
        reply(protocol["ERROR"], b"ValueError: the metagraph has operations: ReadFile")
        sys.exit(1)
    if BEHAVIOUR == "never-ready":
        time.sleep(600)
    if BEHAVIOUR == "dies-at-once":
        log("ModuleNotFoundError: No module named 'tensorflow'")
        sys.exit(1)
    reply(protocol["READY"], json.dumps({"tensorflow": "0"}).encode())
    serve()


start()
