"""Names of places in `trace.html`, so that other pages can link to them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from urllib.parse import quote


def cell_anchor(table: str, row_labels: Sequence[str], column: str) -> str:
    """The place of a number's trace: `in_domain-coco-maccap-cider` for ("in_domain", ["COCO", "MacCap"], "CIDEr").

    Letters and digits of any script in lower case; everything else, and an empty label, is at most a hyphen.
    """
    return "-".join(
        filter(None, (re.sub(r"\W+", "-", part.lower()).strip("-") for part in (table, *row_labels, column)))
    )


def artifact_anchor(path: str) -> str:
    """The place of a file's trace: its path, fit for an address."""
    return quote(path)
