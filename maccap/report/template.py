"""The templates of the report's pages, and what they share."""

from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from ..tables.anchors import artifact_anchor

TRACE = "trace.html"


def render(template: str, **values: Any) -> str:
    """A page; its template can link a file to its past by `trace(path)`."""
    pages = Environment(
        loader=PackageLoader("maccap.report", "."), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True, keep_trailing_newline=True,
    )  # fmt: skip
    return pages.get_template(template).render(trace=lambda path: f"{TRACE}#{artifact_anchor(path)}", **values)
