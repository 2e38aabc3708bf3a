"""One URL into one part file: resumed where it broke off, begun anew when the file at the source has changed.

RFC 9110, sections 13.1.5 (If-Range), 14.2 (Range), 14.4 (Content-Range) and 15.5.17 (416).
"""

from __future__ import annotations

import errno
import re
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import requests
from urllib3.exceptions import HTTPError, ReadTimeoutError

from .. import __version__
from ..core.artifacts import read_json, require_space, write_json
from ..core.errors import DataError, EnvironmentProblem
from ..core.progress import byte_progress

CHUNK = 2**18
CONNECT_SECONDS = 30.0
WORTH_A_RETRY = (408, 425, 429)
HTML = re.compile(
    rb"\s*(?:\xef\xbb\xbf)?\s*(?:<!--.*?-->\s*)*<(?:!doctype\s+html|html|head)\b", re.IGNORECASE | re.DOTALL
)


@dataclass(frozen=True)
class Patience:
    """How much trouble a source may make before it is given up.

    Attributes:
        tries: attempts in a row that bring no new byte.
        first_wait: seconds before the second try; doubled from try to try.
        longest_wait: seconds, also the longest `Retry-After` that is honoured.
        stall: seconds without a byte.
    """

    tries: int = 6
    first_wait: float = 1.0
    longest_wait: float = 120.0
    stall: float = 60.0

    def wait(self, failures: int) -> float:
        """Seconds to wait after so many failures in a row."""
        return min(self.first_wait * 2 ** (failures - 1), self.longest_wait)


PATIENT = Patience()


class Refused(Exception):
    """This source does not give the file; the text says why."""


class _Interrupted(Exception):
    """Trying again may help, after `wait` seconds if the server said so."""

    def __init__(self, reason: str, wait: float = 0.0) -> None:
        super().__init__(reason)
        self.wait = wait


@dataclass(frozen=True)
class _Source:
    """What the part file was begun with; kept beside it."""

    url: str
    validator: str | None
    total: int | None


def download(
    url: str,
    part: Path,
    *,
    label: str,
    size: int | None = None,
    headers: Mapping[str, str] | None = None,
    patience: Patience = PATIENT,
) -> None:
    """Complete a part file from a URL; what is there already is kept if the server can continue it.

    Args:
        size: bytes, if known; a server that announces or sends another number is refused.
        headers: sent along to the URL's host, like Authorization.

    Raises:
        Refused: the source does not give the file; the part stays, to be resumed, unless it cannot be.
        EnvironmentProblem: the disk is too small.
    """
    furthest, failures = bytes_of(part), 0
    while True:
        try:
            return _attempt(url, part, label, size, dict(headers or {}), patience)
        except (requests.TooManyRedirects, requests.exceptions.InvalidURL) as error:
            raise Refused(str(error)) from error
        except (_Interrupted, requests.RequestException, HTTPError) as error:
            reason, asked = _reason(error, part, patience), getattr(error, "wait", 0.0)
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise
            text = f"{part}: the disk is full after {bytes_of(part):,} bytes; free space and run again to resume"
            raise EnvironmentProblem(text) from error
        if bytes_of(part) > furthest:
            furthest, failures = bytes_of(part), 0
        failures += 1
        if asked > patience.longest_wait:
            raise Refused(f"{reason}, and asks to come back in {asked:.0f} s; run again later")
        if failures >= patience.tries:
            raise Refused(f"{reason}; given up after {patience.tries} tries")
        wait = max(patience.wait(failures), asked)
        print(f"{label}: {reason}; trying again in {wait:.3g} s", file=sys.stderr, flush=True)
        time.sleep(wait)


def bytes_of(path: Path) -> int:
    """Size of a file; 0 when it is missing."""
    return path.stat().st_size if path.exists() else 0


def begun_from(part: Path) -> str | None:
    """The URL that a part file comes from."""
    source = _source(part)
    return source.url if source else None


def forget(part: Path) -> None:
    """Delete a part file and what is kept beside it."""
    part.unlink(missing_ok=True)
    _beside(part).unlink(missing_ok=True)


def looks_like_html(head: bytes) -> bool:
    """Whether a file that begins like this is a web page."""
    return HTML.match(head) is not None


def _attempt(url: str, part: Path, label: str, size: int | None, headers: dict[str, str], patience: Patience) -> None:
    begun = _resumable(url, part)
    have = bytes_of(part) if begun else 0
    if begun and have == begun.total:
        return
    headers |= {"Accept-Encoding": "identity", "User-Agent": f"maccap/{__version__}"}
    if begun and begun.validator:
        headers |= {"Range": f"bytes={have}-", "If-Range": begun.validator}
    with requests.get(url, headers=headers, stream=True, timeout=(CONNECT_SECONDS, patience.stall)) as response:
        if response.status_code == 416:
            _check_nothing_left(response, begun, have, part)
            return
        _check_answer(response)
        if response.status_code == 206:
            total: int | None = _continued(response, begun, have, part)
        else:
            have = 0
            total = _number(response.headers.get("Content-Length"))
        _receive(response, _Source(url, _validator(response), total), part, have, size, label)


def _receive(response: requests.Response, source: _Source, part: Path, have: int, size: int | None, label: str) -> None:
    """Write the body behind the first `have` bytes of the part."""
    chunks = _chunks(response)
    first = next(chunks, b"")
    if have == 0 and looks_like_html(first):
        raise Refused("it is an HTML page, not the file")
    if size is not None and source.total not in (None, size):
        raise Refused(f"it announces {source.total:,} bytes instead of {size:,}")
    if source.total is not None:
        require_space(part.parent, source.total - have, label)
    with part.open("ab" if have else "wb") as file:
        if not have:
            write_json(_beside(part), asdict(source))
        for chunk in byte_progress(chain([first], chunks), label, source.total or size, have):
            file.write(chunk)
            have += len(chunk)
            if size is not None and have > size:
                raise Refused(f"it sends more than the {size:,} bytes that the file has")
    if source.total is not None and have != source.total:
        raise _Interrupted(f"the body ended after {have:,} of {source.total:,} bytes")


def _chunks(response: requests.Response) -> Iterator[bytes]:
    while chunk := response.raw.read1(CHUNK, decode_content=False):
        yield chunk


def _check_answer(response: requests.Response) -> None:
    status = f"HTTP {response.status_code} {response.reason}".strip()
    if response.status_code in WORTH_A_RETRY or response.status_code >= 500:
        raise _Interrupted(status, _number(response.headers.get("Retry-After")) or 0)
    if response.status_code not in (200, 206):
        raise Refused(status)
    if response.headers.get("Content-Type", "").lower().startswith(("text/html", "application/xhtml")):
        raise Refused(f"it is an HTML page, not the file ({response.headers['Content-Type']})")
    if response.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise Refused(
            f"it comes with Content-Encoding {response.headers['Content-Encoding']}, though asked for as it is"
        )


def _continued(response: requests.Response, begun: _Source | None, have: int, part: Path) -> int:
    """The file's total bytes, from a 206 that continues exactly what is there.

    Raises:
        _Interrupted: it continues something else; the part is gone.
    """
    text = response.headers.get("Content-Range", "")
    found = re.fullmatch(r"bytes (\d+)-(\d+)/(\d+)", text)
    if not found or not begun:
        forget(part)
        raise _Interrupted(f"a partial answer with Content-Range {text!r} after {have:,} bytes; beginning anew")
    start, end, total = map(int, found.groups())
    if (start, end) != (have, total - 1) or begun.total not in (None, total):
        forget(part)
        raise _Interrupted(f"asked for the bytes from {have:,}, got Content-Range {text!r}; beginning anew")
    if _validator(response) not in (None, begun.validator):
        forget(part)
        raise _Interrupted("the file has changed at the source; beginning anew")
    return total


def _check_nothing_left(response: requests.Response, begun: _Source | None, have: int, part: Path) -> None:
    """A 416 is right when the part is the whole file.

    Raises:
        _Interrupted: the part is longer than the file, or of an earlier one; it is gone.
    """
    whole = response.headers.get("Content-Range") == f"bytes */{have}"
    if not begun or not whole or _validator(response) not in (None, begun.validator):
        forget(part)
        raise _Interrupted(f"HTTP 416 after {have:,} bytes: they are of another file; beginning anew")


def _validator(response: requests.Response) -> str | None:
    """What If-Range may be asked with: a strong ETag, or else the date."""
    etag = response.headers.get("ETag")
    return etag if etag and not etag.startswith("W/") else response.headers.get("Last-Modified")


def _beside(part: Path) -> Path:
    return part.with_name(f"{part.name}.json")


def _source(part: Path) -> _Source | None:
    try:
        return _Source(**read_json(_beside(part)))
    except (DataError, TypeError):
        return None


def _resumable(url: str, part: Path) -> _Source | None:
    """What the part was begun with, if this URL can continue it."""
    begun, have = _source(part), bytes_of(part)
    if not begun or begun.url != url or not have or have > (begun.total or have):
        return None
    return begun


def _number(text: Any) -> int | None:
    return int(text) if isinstance(text, str) and text.strip().isdigit() else None


def _reason(error: Exception, part: Path, patience: Patience) -> str:
    if isinstance(error, _Interrupted):
        return str(error)
    if isinstance(error, requests.ConnectTimeout):
        return f"no connection within {CONNECT_SECONDS:g} s"
    if isinstance(error, requests.ReadTimeout | ReadTimeoutError):
        return f"nothing came for {patience.stall:g} s (after {bytes_of(part):,} bytes)"
    if isinstance(error, requests.ConnectionError):
        cause = re.search(r"\[(?:Errno -?\d+|SSL: \w+)\] ([^'\")(]+)", str(error))
        return f"cannot be reached ({cause[1].strip() if cause else type(error).__name__})"
    return f"the connection broke off after {bytes_of(part):,} bytes"
