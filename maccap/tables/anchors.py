"""Names of places in `trace.html`, so that other pages can link to them."""

import re
from collections.abc import Sequence
from urllib.parse import quote


def slug(text: str) -> str:
    """Letters and digits of any script in lower case, everything else as single hyphens between them."""
    return re.sub(r"\W+", "-", text.lower()).strip("-")


def cell_anchor(table: str, row_labels: Sequence[str], column: str) -> str:
    """The place of a number's trace: `in_domain-chalk-maccap-cider` for ("in_domain", ["Chalk", "MacCap"], "CIDEr")."""
    return "-".join(filter(None, map(slug, (table, *row_labels, column))))


def artifact_anchor(path: str) -> str:
    """The place of a file's trace: its path, fit for an address."""
    return quote(path)
