"""The frame of a table's own HTML page: self-contained, light or dark as the reader's system is, and fit for paper."""

from html import escape

STYLE = """
:root { color-scheme: light dark; --line: #c8ccd2; --link: #0b57a4; }
@media (prefers-color-scheme: dark) { :root { --line: #454b54; --link: #8ab8f0; } }
body { font: 15px/1.5 system-ui, sans-serif; margin: 1.5rem auto; max-width: 76rem; padding: 0 1rem; }
h1 { font-size: 1.5rem; }
a { color: var(--link); text-decoration: none; } a:hover, a:focus { text-decoration: underline; }
table { border-collapse: collapse; } .wide { overflow-x: auto; }
th, td { border-bottom: 1px solid var(--line); padding: .25rem .4rem; text-align: right; white-space: nowrap; }
thead th { vertical-align: bottom; } th[scope=row] { text-align: left; font-weight: normal; }
@media print { a { color: inherit; } body { max-width: none; margin: 0; } .wide { overflow: visible; } }
"""


def page(title: str, body: str) -> str:
    """A whole HTML document around `body`, which is HTML; `title` is plain text."""
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<h1>{escape(title)}</h1>\n{body}"
        "</body>\n</html>\n"
    )
