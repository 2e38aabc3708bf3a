"""What the tests of downloads share."""

import hashlib
from collections import namedtuple
from pathlib import Path

from maccap.fetch.registry import HubAsset
from maccap.fetch.transfer import Patience

QUICK = Patience(tries=3, first_wait=0.01, longest_wait=1.5, stall=0.4)
ABOUT = {"licence": "CC BY 4.0", "citation": "Someone 2020", "seen": ["https://example.org"]}
Usage = namedtuple("Usage", "total used free")  # of a disk

COMMIT, REPO = "a" * 40, "lab/model"
WEIGHTS = bytes(i % 241 for i in range(200_000))
FILES = {"config.json": b'{"a": 1}', "vocab.txt": b"x\ny\n", "pytorch_model.bin": WEIGHTS, "README.md": b"hello"}
PATTERNS = ("*.json", "*.txt", "pytorch_model.bin")
WANTED = sorted(set(FILES) - {"README.md"})


def model(revision=COMMIT, patterns=PATTERNS):
    return HubAsset("m", REPO, revision, patterns)


def requests(server) -> int:
    """How many answers a server gave."""
    return sum(len(page.seen) for page in server.pages.values())


def sha(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


def only(folder: Path) -> list[str]:
    """All files below a folder: nothing may be left beside the finished ones."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
