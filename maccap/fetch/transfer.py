"""One URL into one part file: resumed where it broke off, begun anew when the file at the source has changed.

RFC 9110, sections 13.1.5 (If-Range), 14.2 (Range), 14.4 (Content-Range) and 15.5.17 (416).
"""

import os
import re
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import partial
from itertools import chain
from pathlib import Path

import requests
from urllib3.exceptions import HTTPError, ReadTimeoutError

from .. import __version__
from ..core.artifacts import disguise, read_json, require_space, write_json
from ..core.errors import FULL, DataError, EnvironmentProblem
from ..core.progress import byte_progress

CHUNK = 2**18
CONNECT_SECONDS = 30.0
SOCKS = "For a SOCKS proxy, run `pip install pysocks socksio`, or unset ALL_PROXY, HTTPS_PROXY and HTTP_PROXY"
WORTH_A_RETRY = (408, 425, 429, *range(500, 600))


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
    """This source does not give the file; the text says why. `mismatch` if it gives one of another size or hash."""

    def __init__(self, text: str, mismatch: bool = False) -> None:
        super().__init__(text)
        self.mismatch = mismatch


class _Interrupted(Exception):
    """Trying again may help, after `wait` seconds if the server said so."""

    def __init__(self, reason: str, wait: float = 0.0) -> None:
        super().__init__(reason)
        self.wait = wait


@dataclass(frozen=True)
class Begun:
    """What a part file was begun with; kept beside it."""

    url: str
    validator: str | None
    total: int | None


class Part:
    """A file that is not yet whole, and beside it a note of where it comes from."""

    def __init__(self, target: Path) -> None:
        self.path = target.with_name(f"{target.name}.part")
        self.note = target.with_name(f"{target.name}.part.json")

    @property
    def size(self) -> int:
        """Bytes; 0 when there is no file."""
        return self.path.stat().st_size if self.path.exists() else 0

    @property
    def begun(self) -> Begun | None:
        """What it was begun with, if it can be continued."""
        try:
            begun = Begun(**read_json(self.note))
        except (DataError, TypeError):
            return None
        return begun if 0 < self.size <= (begun.total or self.size) else None

    def is_from(self, source: str) -> bool:
        """Whether this source can continue it."""
        return self.begun is not None and self.begun.url == source

    def forget(self) -> None:
        """Delete it."""
        self.path.unlink(missing_ok=True)
        self.note.unlink(missing_ok=True)


def download(
    url: str,
    part: Part,
    *,
    label: str,
    size: int | None,
    headers: Mapping[str, str] | None,
    patience: Patience,
) -> None:
    """Complete a part file from a URL; what is there already is kept if the server can continue it.

    Args:
        size: bytes, if known; a server that announces or sends another number is refused.
        headers: sent along to the URL's host, like Authorization.

    Raises:
        Refused: the source does not give the file; the part stays, to be resumed, unless it cannot be.
        EnvironmentProblem: the disk is too small.
    """
    furthest, failures = part.size, 0
    while True:
        try:
            return _attempt(url, part, label, size, dict(headers or {}), patience)
        except (requests.TooManyRedirects, requests.exceptions.InvalidURL, requests.exceptions.InvalidSchema) as error:
            if "SOCKS" in str(error):
                raise EnvironmentProblem(f"{label}: {error} {SOCKS}") from error
            raise Refused(str(error)) from error
        except (_Interrupted, requests.RequestException, HTTPError) as error:
            reason, asked = _reason(error, part, patience), getattr(error, "wait", 0.0)
        except OSError as error:
            if error.errno not in FULL:
                raise
            text = f"{part.path}: the disk is full after {part.size:,} bytes; free space and run again to resume"
            raise EnvironmentProblem(text) from error
        failures = 1 if part.size > furthest else failures + 1
        furthest = max(furthest, part.size)
        if asked > patience.longest_wait:
            raise Refused(f"{reason}, and asks to come back in {asked:.0f} s; run again later")
        if failures >= patience.tries:
            raise Refused(f"{reason}; given up after {patience.tries} tries")
        wait = max(patience.wait(failures), asked)
        print(f"{label}: {reason}; trying again in {wait:.3g} s", file=sys.stderr, flush=True)
        time.sleep(wait)


def _attempt(url: str, part: Part, label: str, size: int | None, headers: dict[str, str], patience: Patience) -> None:
    begun = part.begun if part.is_from(url) else None
    have = part.size if begun else 0
    if begun and have == begun.total:
        return
    headers |= {"Accept-Encoding": "identity", "User-Agent": f"maccap/{__version__}"}
    if begun and begun.validator:
        headers |= {"Range": f"bytes={have}-", "If-Range": begun.validator}
    with requests.get(url, headers=headers, stream=True, timeout=(CONNECT_SECONDS, patience.stall)) as response:
        _check_answer(response)
        if response.status_code == 200:
            have, total = 0, _number(response.headers.get("Content-Length"))
        else:
            total = _continued(response, begun, have, part)
        if response.status_code != 416:
            _receive(response, Begun(url, _validator(response), total), part, have, size, label)


def _receive(response: requests.Response, begun: Begun, part: Part, have: int, size: int | None, label: str) -> None:
    """Write the body behind the first `have` bytes of the part."""
    chunks = iter(partial(response.raw.read1, CHUNK, decode_content=False), b"")
    first = next(chunks, b"")
    if have == 0 and first and (what := disguise(first)):
        raise Refused(what)
    if size is not None and begun.total not in (None, size):
        raise Refused(f"it announces {begun.total:,} bytes instead of {size:,}")
    if begun.total is not None:
        require_space(part.path.parent, begun.total - have, label)
    with part.path.open("ab" if have else "wb") as file:
        if not have:
            write_json(part.note, asdict(begun))
        for chunk in byte_progress(chain([first], chunks), label, begun.total or size, have):
            file.write(chunk)
            have += len(chunk)
            if size is not None and have > size:
                raise Refused(f"it sends more than the {size:,} bytes that the file has")
        file.flush()
        os.fsync(file.fileno())
    if begun.total is not None and have != begun.total:
        raise _Interrupted(f"the body ended after {have:,} of {begun.total:,} bytes")


def _check_answer(response: requests.Response) -> None:
    status = f"HTTP {response.status_code} {response.reason}".strip()
    if response.status_code in WORTH_A_RETRY:
        raise _Interrupted(status, _number(response.headers.get("Retry-After")) or 0)
    if response.status_code == 416:
        return
    if response.status_code not in (200, 206):
        raise Refused(status)
    if response.headers.get("Content-Type", "").lower().startswith(("text/html", "application/xhtml")):
        raise Refused(f"it is an HTML page, not the file ({response.headers['Content-Type']})")
    if (encoding := response.headers.get("Content-Encoding", "identity")).lower() != "identity":
        raise Refused(f"it comes with Content-Encoding {encoding}, though asked for as it is")


def _continued(response: requests.Response, begun: Begun | None, have: int, part: Part) -> int:
    """The file's bytes in all, from an answer that continues exactly what is there, or says that nothing is left.

    Raises:
        _Interrupted: it speaks of another place or another file; the part is gone.
    """
    text = response.headers.get("Content-Range", "")
    rest = re.fullmatch(rf"bytes {have}-(\d+)/(\d+)", text)
    if response.status_code == 416:
        total = have if text == f"bytes */{have}" else None
    else:
        total = int(rest[2]) if rest and int(rest[1]) == int(rest[2]) - 1 else None
    fits = begun is not None and total is not None and begun.total in (None, total)
    if begun and total is not None and fits and _validator(response) in (None, begun.validator):
        return total
    part.forget()
    if fits:
        raise _Interrupted("the file has changed at the source; beginning anew")
    raise _Interrupted(f"HTTP {response.status_code} after {have:,} bytes with Content-Range {text!r}; beginning anew")


def _validator(response: requests.Response) -> str | None:
    """What If-Range may be asked with: a strong ETag, or else the date."""
    etag = response.headers.get("ETag")
    return etag if etag and not etag.startswith("W/") else response.headers.get("Last-Modified")


def _number(text: str | None) -> int | None:
    return int(text) if text and text.strip().isdigit() else None


def _reason(error: Exception, part: Part, patience: Patience) -> str:
    if isinstance(error, _Interrupted):
        return str(error)
    if isinstance(error, requests.ConnectTimeout):
        return f"no connection within {CONNECT_SECONDS:g} s"
    if isinstance(error, requests.ReadTimeout | ReadTimeoutError):
        return f"nothing came for {patience.stall:g} s (after {part.size:,} bytes)"
    if isinstance(error, requests.ConnectionError):
        cause = re.search(r"\[(?:Errno -?\d+|SSL: \w+)\] ([^'\")(]+)", str(error))
        return f"cannot be reached ({cause[1].strip() if cause else type(error).__name__})"
    return f"the connection broke off after {part.size:,} bytes"
