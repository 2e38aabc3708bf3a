"""The templates of the report's pages, and what they share."""

from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from ..tables.anchors import artifact_anchor

TRACE = "trace.html"
UNSEEN = {*range(0x20), 0x7F, *range(0x202A, 0x202F), *range(0x2066, 0x206A)} - {*b"\t\n\r"}
SHOWN = dict.fromkeys(UNSEEN, "\ufffd")  # control characters and those that turn the direction of all that follows


def environment() -> Environment:
    """Templates are the files here; what they print is escaped, and a character that nobody would see is marked."""
    return Environment(
        loader=PackageLoader("maccap.report", "."), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True, keep_trailing_newline=True,
        finalize=lambda value: value.translate(SHOWN) if isinstance(value, str) else value,
    )  # fmt: skip


def render(template: str, **values: Any) -> str:
    """A page; its template can link a file to where it comes from by `trace(path)`."""
    page = environment().get_template(template)
    return page.render(trace=lambda path: f"{TRACE}#{artifact_anchor(path)}", **values)
