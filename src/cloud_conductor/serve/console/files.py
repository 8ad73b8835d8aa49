"""The console's files: read, compressed and named by their content once, at start.

    GET|HEAD /static/{path}   a file; 304 when the browser has it; `Cache-Control: no-cache`
    GET|HEAD any other path   index.html, which reads the place from the address

No file holds data, so none needs a session. Nothing is built: the file in the repository is the
file that runs (docs/decisions/0018-console-without-a-build.md).
"""

import gzip
import hashlib
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any

import msgspec

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Header = tuple[bytes, bytes]

STATIC = "/static/"
INDEX = "index.html"
KINDS = {
    "html": "text/html; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "svg": "image/svg+xml",
    "woff2": "font/woff2",
    "png": "image/png",
}
ALREADY_COMPRESSED = frozenset({"woff2", "png"})
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "font-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'"
)
SAFE: tuple[Header, ...] = (
    (b"content-security-policy", CONTENT_SECURITY_POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cache-control", b"no-cache"),
)


class Page(msgspec.Struct, frozen=True):
    """One file as it is sent. packed: gzip of body, or None where that gains nothing."""

    body: bytes
    packed: bytes | None
    kind: str
    etag: bytes


class Console:
    """ASGI application of the static console. The files are read when it is made."""

    def __init__(self) -> None:
        self.pages: Mapping[str, Page] = dict(_read(files(__package__) / "static", ""))
        assert INDEX in self.pages, "the console's files are not installed"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - ASGI's shape
        if scope["type"] != "http":
            return
        if scope["method"] not in ("GET", "HEAD"):
            await _send(send, 405, [(b"allow", b"GET, HEAD")], b"")
            return
        page = self._page(scope["path"])
        if page is None:
            await _send(send, 404, [(b"content-type", b"text/plain")], b"no such file")
            return
        asked = dict(scope["headers"])
        if page.etag in asked.get(b"if-none-match", b""):
            await _send(send, 304, [(b"etag", page.etag)], b"")
            return
        headers = [(b"content-type", page.kind.encode()), (b"etag", page.etag)]
        body = page.body
        if page.packed is not None:
            headers.append((b"vary", b"accept-encoding"))
            if b"gzip" in asked.get(b"accept-encoding", b""):
                headers.append((b"content-encoding", b"gzip"))
                body = page.packed
        headers.append((b"content-length", str(len(body)).encode()))
        await _send(send, 200, headers, b"" if scope["method"] == "HEAD" else body)

    def _page(self, path: str) -> Page | None:
        """The file at a path; every path outside /static/ is a place in the console."""
        if path.startswith(STATIC):
            return self.pages.get(path.removeprefix(STATIC))
        return self.pages[INDEX]


def _read(folder: Traversable, prefix: str) -> list[tuple[str, Page]]:
    """Every file below a folder that browsers are given, by its path."""
    found: list[tuple[str, Page]] = []
    for entry in folder.iterdir():
        ending = entry.name.rpartition(".")[2]
        if entry.is_dir():
            found += _read(entry, f"{prefix}{entry.name}/")
        elif ending in KINDS:
            found.append((f"{prefix}{entry.name}", _page_of(entry.read_bytes(), ending)))
    return found


def _page_of(body: bytes, ending: str) -> Page:
    packed = None if ending in ALREADY_COMPRESSED else gzip.compress(body, 9, mtime=0)
    etag = f'W/"{hashlib.sha256(body).hexdigest()[:20]}"'
    return Page(body=body, packed=packed, kind=KINDS[ending], etag=etag.encode())


async def _send(send: Send, status: int, headers: list[Header], body: bytes) -> None:
    await send({"type": "http.response.start", "status": status, "headers": [*headers, *SAFE]})
    await send({"type": "http.response.body", "body": body})
