"""An HTTP server on loopback that misbehaves on demand, and beside it enough of a Hugging Face hub.

Every path has a list of tricks, each spoiling one answer in turn; when they are used up, answers are honest again:

    with Server() as server:
        url = server.add("a.zip", body, tricks=[cut(1000), status(500)])
        ...
        assert server.seen("a.zip")[1].range == "bytes=1000-"
"""

from __future__ import annotations

import hashlib
import json
import re
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

DATE = "Wed, 01 Jan 2020 00:00:00 GMT"


@dataclass
class Answer:
    """What the server is about to send; `cut` closes the connection and `stall` falls silent after so many bytes."""

    status: int
    headers: dict[str, str]
    body: bytes
    cut: int | None = None
    stall: int | None = None


@dataclass
class Seen:
    """A request as the server saw it, and the body bytes that it sent."""

    range: str | None
    if_range: str | None
    authorization: str | None
    status: int = 0
    sent: int = 0


@dataclass
class Page:
    body: bytes
    headers: dict[str, str]
    tricks: list[Trick]
    seen: list[Seen] = field(default_factory=list)


Trick = Callable[[Answer, Page, Seen], Answer]


class Server:
    """A server on a free port of 127.0.0.1, running within the `with` block."""

    def __init__(self) -> None:
        self.pages: dict[str, Page] = {}
        self.closing = threading.Event()

    def __enter__(self) -> Server:
        handler = type("Handler", (_Handler,), {"server_pages": self.pages, "closing": self.closing})
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._http.server_port}"
        threading.Thread(target=self._http.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.closing.set()
        self._http.shutdown()
        self._http.server_close()

    def add(self, path: str, body: bytes, tricks: list[Trick] | None = None, **headers: str) -> str:
        """Serve bytes at a path, by default with a strong ETag; the URL."""
        own = {"ETag": f'"{hashlib.sha256(body).hexdigest()[:12]}"', "Content-Type": "application/octet-stream"}
        own |= {name.replace("_", "-"): value for name, value in headers.items()}
        self.pages[f"/{path}"] = Page(body, {k: v for k, v in own.items() if v}, list(tricks or []))
        return f"{self.url}/{path}"

    def seen(self, path: str) -> list[Seen]:
        return self.pages[f"/{path}"].seen

    def sent(self, path: str) -> int:
        """Bytes of the file that went out for a path, over all requests."""
        return sum(seen.sent for seen in self.seen(path) if seen.status in (200, 206))

    def add_model(self, repo: str, commit: str, files: dict[str, bytes]) -> None:
        """A model repository at one commit; `*.bin` and `*.safetensors` lie in large-file storage, by redirect."""
        siblings = []
        for name, body in files.items():
            entry: dict[str, Any] = {"rfilename": name, "size": len(body), "blobId": git_id(body)}
            tricks = []
            if name.endswith((".bin", ".safetensors")):
                digest = hashlib.sha256(body).hexdigest()
                entry["lfs"] = {"sha256": digest, "size": len(body), "pointerSize": 130}
                tricks = always(redirect(self.add(f"cdn/{digest}", body)))
            self.add(f"{repo}/resolve/{commit}/{name}", body, tricks, X_Repo_Commit=commit)
            siblings.append(entry)
        about = json.dumps({"id": repo, "modelId": repo, "sha": commit, "siblings": siblings}).encode()
        for path in (f"api/models/{repo}/revision/{commit}", f"api/models/{repo}"):
            self.add(path, about, Content_Type="application/json")


def git_id(body: bytes) -> str:
    """The name of a file's content in git."""
    return hashlib.sha1(b"blob %d\0" % len(body) + body).hexdigest()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_pages: dict[str, Page]
    closing: threading.Event

    def do_GET(self) -> None:
        page = self.server_pages.get(self.path.partition("?")[0])
        if page is None:
            self._send(Answer(404, {"Content-Type": "text/plain"}, b"nothing here\n"), None)
            return
        seen = Seen(*(self.headers.get(name) for name in ("Range", "If-Range", "Authorization")))
        page.seen.append(seen)
        trick = page.tricks.pop(0) if page.tricks else None
        answer = honest(page, seen)
        self._send(trick(answer, page, seen) if trick else answer, seen)

    def _send(self, answer: Answer, seen: Seen | None) -> None:
        body = answer.body[: answer.cut if answer.cut is not None else answer.stall]
        if seen:
            seen.status, seen.sent = answer.status, len(body)
        self.send_response(answer.status)
        for name, value in ({"Content-Length": str(len(answer.body))} | answer.headers).items():
            if value:
                self.send_header(name, value)
        self.send_header("Connection", "close")
        self.end_headers()
        self.close_connection = True
        try:
            self.wfile.write(body)
            self.wfile.flush()
            if answer.stall is not None:
                self.closing.wait(10)
            self.connection.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def honest(page: Page, seen: Seen) -> Answer:
    """The right answer to a request, with Range and If-Range as RFC 9110 has them."""
    headers = dict(page.headers)
    wanted = re.fullmatch(r"bytes=(\d+)-", seen.range or "")
    same = seen.if_range in (None, headers.get("ETag"), headers.get("Last-Modified"))
    if not wanted or not same:
        return Answer(200, headers, page.body)
    start, size = int(wanted[1]), len(page.body)
    if start >= size:
        return Answer(416, headers | {"Content-Range": f"bytes */{size}"}, b"")
    return Answer(206, headers | {"Content-Range": f"bytes {start}-{size - 1}/{size}"}, page.body[start:])


def always(trick: Trick) -> list[Trick]:
    """The same trick for every request of a test."""
    return [trick] * 1000


def cut(after: int) -> Trick:
    return lambda answer, page, seen: replace(answer, cut=after)


def stall(after: int) -> Trick:
    return lambda answer, page, seen: replace(answer, stall=after)


def status(code: int, **headers: str) -> Trick:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda answer, page, seen: Answer(code, named, b"out of order\n")


def header(name: str, value: str) -> Trick:
    """Send another value of one header, or none ("")."""
    return lambda answer, page, seen: replace(answer, headers=answer.headers | {name: value})


def ignore_range(answer: Answer, page: Page, seen: Seen) -> Answer:
    """Send all of the file, whatever was asked."""
    return Answer(200, dict(page.headers), page.body)


def ignore_if_range(answer: Answer, page: Page, seen: Seen) -> Answer:
    """Continue with the bytes of whatever the file is now."""
    return honest(page, Seen(seen.range, None, None))


def change(body: bytes) -> Trick:
    """From this request on the file is another one."""

    def trick(answer: Answer, page: Page, seen: Seen) -> Answer:
        page.body, page.headers["ETag"] = body, f'"{hashlib.sha256(body).hexdigest()[:12]}"'
        return honest(page, seen)

    return trick


def html(content_type: str = "text/html; charset=utf-8") -> Trick:
    """An error page that calls itself a success."""
    page_body = b"\n<!DOCTYPE html><html><body>Please log in</body></html>"
    return lambda answer, page, seen: Answer(200, {"Content-Type": content_type}, page_body)


def redirect(to: str) -> Trick:
    return lambda answer, page, seen: Answer(302, page.headers | {"Location": to}, b"")


def both(first: Trick, second: Trick) -> Trick:
    return lambda answer, page, seen: second(first(answer, page, seen), page, seen)
