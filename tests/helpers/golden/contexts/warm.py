"""Fills the HTTP cache of rocrate-validator with the contexts kept here, so that it runs without network.

Run by the validator's own interpreter: `python warm.py CACHE`. The cache is that of `requests_cache`.
"""

import io
import sys
from pathlib import Path

from requests.adapters import HTTPAdapter
from requests_cache import CachedSession
from urllib3 import HTTPResponse

CONTEXTS = {"https://w3id.org/ro/crate/1.1/context": "ro-crate-1.1.jsonld"}


class Kept(HTTPAdapter):
    """Answers each address with the file kept for it."""

    def send(self, request, **_):
        body = io.BytesIO((Path(__file__).parent / CONTEXTS[request.url]).read_bytes())
        headers = {"Content-Type": "application/ld+json"}
        return self.build_response(request, HTTPResponse(body, headers, 200, preload_content=False))


session = CachedSession(sys.argv[1], backend="sqlite", expire_after=-1)
session.mount("https://", Kept())
for address in CONTEXTS:
    assert session.get(address).json()["@context"]
