"""Pages show what stands in the results, between their marks."""

import inspect
import re
from pathlib import Path

import pytest

import maccap
from maccap.cli.docs import WRITTEN
from maccap.cli.main import main
from maccap.core.errors import DataError
from maccap.report.docs import filled
from maccap.tables.table import Row, Table, cell, write_table
from tests.helpers import ROOT

PAGE = """before
<!-- maccap table t.json: CIDEr -->
old
<!-- maccap end -->
between
<!-- maccap notes t.json: Claim -->
<!-- maccap end -->
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    one, two = cell([1.0, 3.0], []), cell([70.25], [])
    rows = [Row(["Daylight", "MacCap"], [one, two]), Row(["Daylight", "blind"], [None, two])]
    table = Table("T", ["data set", "method"], ["CIDEr", "VQA"], rows, ["Claim A.", "Other."])
    write_table(table, [tmp_path / "t.json"])
    (tmp_path / "docs").mkdir()
    (tmp_path / "README.md").write_text(PAGE)
    (tmp_path / "config").mkdir()
    (tmp_path / "config/config.yaml").write_text("profile: mini\n")
    (tmp_path / "Snakefile").touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("maccap.cli.docs.WRITTEN", {})
    return tmp_path


def test_marked_parts_are_filled_and_the_rest_stays(project: Path) -> None:
    page = filled(PAGE, project)
    assert "| MacCap   | 2.0 ± 1.4 |" in page
    assert "70.2" not in page
    assert "\n- Claim A.\n" in page
    assert "Other" not in page
    assert "old" not in page
    assert page.startswith("before\n")
    assert filled(page, project) == page


@pytest.mark.parametrize(
    ("asked", "rows", "column"),
    [
        ("t.json: CIDEr; rows: Daylight blind", ["blind"], "CIDEr"),
        ("t.json; rows: Daylight blind; Daylight MacCap", ["blind", "MacCap"], "VQA"),
        ("t.json: CIDEr,\n  VQA;\n  rows: Daylight blind;\n  Daylight MacCap", ["blind", "MacCap"], "VQA"),
        ("t.json", ["MacCap", "blind"], "VQA"),
    ],
)
def test_a_table_has_the_rows_that_its_mark_names(project: Path, asked: str, rows: list[str], column: str) -> None:
    mark = f"<!-- maccap table {asked} -->"
    page = filled(f"{mark}\n<!-- maccap end -->", project)
    head, _, *body = [[text.strip() for text in line.split("|")] for line in page.splitlines() if line.startswith("|")]
    assert "data set" not in head or len(body) == 1, "a label that all rows share"
    assert [line[head.index("method")] for line in body] == rows
    assert head[-2] == column
    assert filled(page, project) == page


@pytest.mark.parametrize(
    ("mark", "said"),
    [
        ("t.json: SPICE", "no column 'SPICE'; it has 'CIDEr', 'VQA'"),
        ("t.json: CIDEr; row: Daylight MacCap", "no column 'CIDEr; row: Daylight MacCap'"),
        ("t.json: CIDEr; rows: Daylight MacCap; MacCap", "no row 'MacCap'; it has 'Daylight MacCap', 'Daylight blind'"),
        ("t.json; rows: Daylight MacCap;", "no row ''"),
        ("gone.json", "gone.json"),
    ],
)
def test_what_is_not_in_the_results_is_named(project: Path, mark: str, said: str) -> None:
    with pytest.raises(DataError, match=said):
        filled(f"<!-- maccap table {mark} -->\n<!-- maccap end -->", project)


@pytest.mark.parametrize(
    ("old", "new"),
    [("<!-- maccap end -->\nbetween", "between"), ("maccap end", "maccap ende"), ("maccap table", "maccap tabel"),
     ("<!-- maccap table", "<!--maccap table"), ("maccap table t.json: CIDEr", "maccap end"),
     ("maccap table t.json: CIDEr", "maccap table t.json, CIDEr")],
)  # fmt: skip
def test_a_mark_that_is_wrong_or_alone_is_refused_and_nothing_is_lost(project: Path, old: str, new: str) -> None:
    page = PAGE.replace(old, new, 1)
    (project / "README.md").write_text(page)
    with pytest.raises(DataError, match="unknown or without its partner"):
        filled(page, project)
    assert main(["docs"]) == 2
    assert (project / "README.md").read_text() == page


def test_the_command_fills_pages_and_finds_stale_ones(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["docs", "--check"]) == 2
    assert "README.md: it is not as the results and the code have it" in capsys.readouterr().err
    assert main(["docs"]) == 0
    assert main(["docs", "--check"]) == 0
    assert (project / "README.md").read_text() == filled(PAGE, project)


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda page: page.unlink(), "README.md: No such file"),
        (lambda page: page.write_bytes(b"caf\xe9"), "README.md: line 1 is not UTF-8"),
        (lambda page: page.write_text("<!-- maccap\ntabel t.json -->"), "README.md: the mark <!-- maccap tabel t.json"),
    ],
)
def test_a_page_that_is_gone_or_damaged_is_named_in_one_line(project: Path, capsys, damage, said: str) -> None:
    damage(project / "README.md")
    assert main(["docs", "--check"]) == 2
    told = capsys.readouterr().err
    assert said in told
    assert told.count("\n") == 1


def test_the_projects_pages_say_what_its_results_and_code_say(monkeypatch: pytest.MonkeyPatch) -> None:
    for path in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))):
        text = path.read_text(encoding="utf-8")
        assert filled(text, ROOT) == text, f"{path.name}: run `maccap docs`"
    monkeypatch.chdir(ROOT)
    for path, page in WRITTEN.items():
        assert page() == path.read_text(encoding="utf-8"), f"{path}: run `maccap docs`"


def test_the_page_of_the_stable_names_has_each_with_what_its_docstring_says() -> None:
    sections = {part.split("`")[1]: part for part in WRITTEN[Path("docs/api.md")]().split("\n## ")[1:]}
    assert list(sections) == maccap.__all__
    for name, section in sections.items():
        value = getattr(maccap, name)
        first, *rest = inspect.getdoc(value).splitlines()
        assert f"\n{first}\n" in section
        assert ("*Raises:*" in section) >= ("Raises:" in rest)
        for parameter in list(inspect.signature(value).parameters.values()):
            assert f"{parameter.name}: " in section
    assert "#### `Run.caption`" in sections["load_run"], "what it returns is told, too"


def test_every_class_of_this_package_that_a_stable_name_returns_has_a_place_on_that_page() -> None:
    page = WRITTEN[Path("docs/api.md")]()
    code = "\n".join(file.read_text(encoding="utf-8") for file in (ROOT / "maccap").rglob("*.py"))
    classes = set(re.findall(r"^class (\w+)", code, re.MULTILINE))
    returned = classes & set(re.findall(r"\w+", " ".join(re.findall(r" -> (.*)$", page, re.MULTILINE))))
    assert {"ImageCaption", "ImageFeatures", "Run", "VqaAccuracy"} <= returned
    assert returned == {name for name in returned if f"# `{name}`\n" in page}
