"""The pages: every relative link leads somewhere, the site has and builds all, the notebook runs."""

import itertools
import re
import shutil
import subprocess
from functools import cache
from pathlib import Path
from urllib.parse import unquote

import matplotlib as mpl
import nbformat
import pytest
from markdown_it import MarkdownIt
from markdown_it.token import Token

from tests.helpers import ROOT

LISTED = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.md", "*.ipynb"]
PAGES = [
    name
    for name in subprocess.run(LISTED, cwd=ROOT, capture_output=True, check=True, text=True).stdout.split()
    if not name.startswith(("results/", "artifacts/")) and (ROOT / name).exists()
]


def tokens(text: str) -> list[Token]:
    return MarkdownIt("commonmark").enable("table").parse(text)


@cache
def anchors(page: Path) -> frozenset[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    found: list[str] = []
    parsed = tokens(page.read_text(encoding="utf-8"))
    for opening, inline in itertools.pairwise(parsed):
        if opening.type == "heading_open":
            text = "".join(part.content for part in inline.children or [] if part.type in ("text", "code_inline"))
            slug = re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-")
            found.append(f"{slug}-{found.count(slug)}" if slug in found else slug)
    return frozenset(found)


def links(page: Path) -> list[str]:
    text = page.read_text(encoding="utf-8")
    if page.suffix == ".ipynb":
        cells = nbformat.reads(text, as_version=4).cells
        text = "\n\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    parts = [part for token in tokens(text) for part in token.children or []]
    return [str(part.attrs.get("href") or part.attrs["src"]) for part in parts if part.type in ("link_open", "image")]


@pytest.mark.parametrize("name", PAGES)
def test_every_relative_link_of_a_page_leads_somewhere(name: str) -> None:
    for link in links(ROOT / name):
        path, _, anchor = unquote(link).partition("#")
        if "://" in link:
            continue
        target = (ROOT / name).parent / path if path else ROOT / name
        assert target.exists(), f"{link}: no such file"
        assert (ROOT / "docs" in target.resolve().parents) or not name.startswith("docs/"), f"{link}: not on the site"
        assert not anchor or anchor in anchors(target), f"{link}: the page has {sorted(anchors(target))}"


def test_links_and_anchors_are_seen(tmp_path: Path) -> None:
    page = tmp_path / "p.md"
    page.write_text("# A `b_c`, d?\n\n## Two\n\n## Two\n\n[x](y.md#z) ![i](j.png) `[no](link)`\n\n|a|\n|-|\n|[t](u)|\n")
    assert links(page) == ["y.md#z", "j.png", "u"]
    assert anchors(page) == {"a-b_c-d", "two", "two-1"}


def test_every_page_of_docs_is_on_the_site() -> None:
    named = set(re.findall(r"([\w-]+\.md)$", (ROOT / "mkdocs.yml").read_text(encoding="utf-8"), re.MULTILINE))
    assert named == {path.name for path in (ROOT / "docs").glob("*.md")}, "correct `nav` in mkdocs.yml"


@pytest.mark.slow
def test_the_site_builds_without_a_warning(tmp_path: Path) -> None:
    program = shutil.which("mkdocs")
    if not program:
        pytest.skip("needs mkdocs: run `make docs` once, which installs docs/requirements.lock")
    built = subprocess.run([program, "build", "--strict", "--site-dir", tmp_path], cwd=ROOT, capture_output=True)
    assert built.returncode == 0, built.stderr.decode()
    assert 'src="../architecture.svg"' in (tmp_path / "architecture/index.html").read_text(encoding="utf-8")
    for page in tmp_path.rglob("*.html"):
        fetched = re.findall(r'src="(https?:[^"]*)|class="mermaid"', page.read_text(encoding="utf-8"))
        assert not fetched, f"{page}: a reader without internet misses it, and the theme fetches Mermaid elsewhere"
    assert "site.css" in (tmp_path / "index.html").read_text(encoding="utf-8"), "keys in tables stay whole"


def test_every_cell_of_the_tour_runs(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(ROOT / "docs")
    monkeypatch.setattr("sys.argv", ["tour"])
    mpl.use("Agg")
    book = nbformat.read("tour.ipynb", as_version=4)
    nbformat.validate(book)
    names: dict[str, object] = {}
    for cell in book.cells:
        if cell.cell_type == "code":
            assert not cell.outputs, "clear the outputs: they would go stale"
            assert len(cell.source.splitlines()) <= 12
            exec(compile(cell.source, cell.id, "exec"), names)
    said = capsys.readouterr().out
    assert f"{names['made'].text} <- chosen" in said
    assert said.count("(right: ") == 4
    assert "computed again" in said, "the number is traced"
