"""LaTeX: names of numbers, escaping, and documents that really compile."""

import re
import shutil
import string
import subprocess
from pathlib import Path

import pytest

from maccap.core.errors import DataError
from maccap.tables.build import best
from maccap.tables.latex import ESCAPES, LONG, escape
from maccap.tables.latex_macros import macro_name, macros, to_macros
from maccap.tables.table import Cell, Row, Source, Table, read_table, to_latex, to_markdown, with_bounds, write_table

SPECIAL = '± → Δ % “quotes” ‘single’ ≠ – — ² ³ é ü × ≤ ≥ μ σ − … & _ # { } $ ~ ^ \\ < > | " end'
PACKAGES = ("booktabs", "graphicx", "longtable")


def number(value: float, sd: float | None = 1.25) -> Cell:
    return Cell(value, sd, 1 if sd is None else 3, [Source("m.json", "/a")])


def captions_table(labels: list[list[str]], **changes) -> Table:
    rows = [Row(own, [number(10.0 * i), number(76.84 + i, None), None]) for i, own in enumerate(labels)]
    about = {"title": "In-domain captioning", "headers": ["data set", "method"], "notes": [SPECIAL]}
    return Table(**(about | changes), columns=["BLEU-4", "CIDEr", "SPICE"], rows=rows)


def write(table: Table, folder: Path, name: str) -> Path:
    write_table(table, [folder / f"{name}.json", folder / f"{name}.tex"])
    return folder / f"{name}.json"


def test_only_an_interval_s_ends_stand_with_the_column_before_them():
    columns = ["Resolution low", "Resolution high", "ΔCIDEr", "Δ 95 % low", "Δ 95 % high", "reproduced", "95 % low"]
    assert with_bounds(columns) == [[columns[0]], [columns[1]], columns[2:5], columns[5:]]


def test_a_label_is_not_taken_for_markdown_or_html_and_a_mark_at_its_end_stays():
    row = to_markdown(captions_table([["*x* `y`", "<b>*"]])).splitlines()[4]
    assert [cell.strip() for cell in row.split("|")[1:3]] == [r"\*x\* \`y\`", r"\<b>*"]
    table = captions_table([["_u_ a_b", "~~x~~ [a](x)"]], title="_t_")
    title, *_, row = to_markdown(table).splitlines()[:5]
    assert title == r"# \_t\_"
    assert [cell.strip() for cell in row.split("|")[1:3]] == [r"\_u\_ a_b", r"\~~x\~~ [a\](x)"]


def test_a_bar_or_a_new_line_in_a_label_does_not_break_a_row_of_markdown():
    row = to_markdown(captions_table([["COCO", "a|b\nc"]])).splitlines()[4]
    assert [cell.strip() for cell in re.split(r"(?<!\\)\|", row)[1:3]] == ["COCO", r"a\|b c"]


@pytest.fixture
def tables(tmp_path) -> list[Path]:
    """The JSON of an ordinary table, one wider than a page and one longer than a page, with their LaTeX beside them."""
    columns = [f"column {letter}" for letter in string.ascii_uppercase]
    wide = Table("Wide", ["variant"], columns, [Row([SPECIAL], [number(100.0 + i) for i in range(26)])])
    headers = ["trained → tested", "method", "ours", "metric"]
    row = ["34.5", number(-34.0), number(-35.1, None), number(-33.2, None), "not reproduced", "[12]"]
    address = "https://example.org/" + "a-long-way/to_a_page/" * 8
    long = Table(
        "Long " + SPECIAL, headers, ["reported", "reproduced", "95 % low", "95 % high", "verdict", "source"],
        [Row(["Flickr30k → COCO", "CapDec (independent reproduction)", f"CapDec on these models no{i}", "ROUGE-L"], row)
         for i in range(3 * LONG)], [SPECIAL, address],
    )  # fmt: skip
    return [
        write(captions_table([["COCO", "MacCap"], ["Flickr30k", "MacCap"]]), tmp_path, "in_domain"),
        write(wide, tmp_path, "ablation"),
        write(long, tmp_path, "reported"),
    ]


@pytest.mark.parametrize(
    ("parts", "name"),
    [
        (["MacCap", "COCO", "CIDEr"], "MacCapCocoCider"),
        (["MacCap", "COCO → Flickr30k", "BLEU-4"], "MacCapCocoToFlickrThreeZeroKBleuFour"),
        (["ablation", "one noisy copy", "ΔCIDEr"], "AblationOneNoisyCopyDeltaCider"),
        (["gap", "COCO", "dims with mean ≠ 0"], "GapCocoDimsWithMeanNotZero"),
        (["vqa_types", "is the café's", "prefix"], "VqaTypesIsTheCafeSPrefix"),
        (["CC3M", "image-to-text R@10"], "CcThreeMImageToTextRAtOneZero"),
    ],
)  # fmt: skip
def test_names_have_letters_only_and_follow_the_rule(parts, name):
    assert macro_name(*parts) == name
    assert re.fullmatch("[A-Za-z]+", name)


def test_every_number_of_the_tables_is_a_macro_with_its_printed_value(tables):
    contents = {path.stem: read_table(path) for path in tables}
    found = macros(contents)
    assert found["MacCapCocoCider"] == "76.8"
    assert found["MacCapFlickrThreeZeroKBleuFour"] == "10.0"
    assert found["MacCapFlickrThreeZeroKBleuFourSd"] == f"{1.25:.1f}"
    cells = [cell for table in contents.values() for row in table.rows for cell in row.cells]
    numbers = [cell for cell in cells if isinstance(cell, Cell)]
    assert len(found) == len(numbers) + sum(cell.sd is not None for cell in numbers) + cells.count("34.5")


def test_printed_numbers_that_are_text_are_macros_with_a_true_minus_and_words_are_not():
    rows = [Row(["CIDEr"], ["49.3", number(48.0, None), "close", None])]
    table = Table("Reported", ["metric"], ["reported", "reproduced", "verdict", "source"], rows)
    assert macros({"reported": table}) == {"ReportedCiderReported": "49.3", "ReportedCiderReproduced": "48.0"}
    table = Table("T", ["metric"], ["a", "b"], [Row(["CIDEr"], [Cell(-1.25, None, 1, []), "-3.2"])])
    assert re.findall(r"\{\\ensuremath\{(.*?)\}\}", to_macros({"reported": table})) == ["-1.2", "-3.2"]


def test_two_numbers_of_one_name_are_an_error_that_names_both():
    with pytest.raises(DataError, match=r"MacCapCocoBleuFour.*MacCap!.*MacCap\?"):
        macros({"in_domain": captions_table([["COCO", "MacCap!"], ["COCO", "MacCap?"]])})
    spread_and_column = Table("t", ["x"], ["b", "b sd"], [Row(["a"], [number(1.0), number(2.0, None)])])
    with pytest.raises(DataError, match="VqaABSd"):
        macros({"vqa": spread_and_column})


def test_escaping_leaves_nothing_that_tex_reads_as_a_command():
    left = re.sub(r"\\[a-zA-Z]+(\{\})?|\\.|\$[^$]*\$|''", "", escape(SPECIAL))
    assert not set(left) & (set(ESCAPES) - {"~"})


def test_a_paper_s_columns_are_printed_and_the_best_of_each_data_set_is_bold():
    cfg = {f"experiments.{name}.label": name for name in ("MacCap", "CapDec", "ceiling", "human")}
    cfg |= {f"experiments.{name}.run": "x" for name in ("MacCap", "CapDec", "ceiling")}
    cfg["experiments.ceiling.given"] = "reference"
    values = {"COCO": (1.0, 2.0, 3.0, 4.0), "Flickr30k": (7.0, 7.0, 8.0, 9.0)}
    rows = [
        Row([place, name.split(".")[1]], [number(99.0), number(value, None), number(-value), None, None])
        for place, own in values.items()
        for name, value in zip([key for key in cfg if key.endswith("label")], own, strict=True)
    ]
    table = Table("T", ["data set", "method"], ["BLEU-4", "CIDEr", "ΔCIDEr", "Δ 95 % low", "Δ 95 % high"], rows)
    text = to_latex(table, "in_domain", ["CIDEr", "SPICE"], best(table, cfg))
    assert re.findall(r"(\w+) & \\textbf\{(.*?)\}", text) == [("CapDec", "2.0"), ("MacCap", "7.0"), ("CapDec", "7.0")]
    assert "BLEU" not in text
    assert r"ceiling & 3.0 & $-$3.0{\scriptsize\,$\pm$\,1.2} \\" in text
    assert text.count(r"\multicolumn{3}{l}") == 2
    assert "BLEU-4" in to_latex(table, "in_domain", ["SPICE"]), "of a table without any of the columns, all"


def pdf_text(folder: Path, document: str) -> str:
    """What a reader of the compiled document sees."""
    for tool, package in (("pdflatex", "texlive-latex-recommended"), ("pdftotext", "poppler-utils")):
        if shutil.which(tool) is None:
            pytest.skip(f"needs {tool}: apt-get install {package}")
    (folder / "paper.tex").write_text(document, encoding="utf-8")
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "paper.tex"]
    for _ in range(2):  # longtable reads its widths on the second run
        run = subprocess.run(command, cwd=folder, capture_output=True, text=True, errors="replace")
        assert run.returncode == 0, run.stdout[-3000:]
    assert "Overfull" not in run.stdout
    assert "not set up" not in run.stdout
    subprocess.run(["pdftotext", "-layout", "paper.pdf"], cwd=folder, check=True)
    return (folder / "paper.txt").read_text(encoding="utf-8")


def test_tables_and_macros_compile_as_they_are(tables, tmp_path):
    (tmp_path / "numbers.tex").write_text(to_macros({path.stem: read_table(path) for path in tables}))
    packages = "".join(f"\\usepackage{{{package}}}\n" for package in PACKAGES)
    inputs = "".join(f"Table~\\ref{{tab:{path.stem}}}. \\input{{{path.stem}.tex}}\n" for path in tables)
    text = pdf_text(
        tmp_path,
        f"\\documentclass{{article}}\n{packages}\\input{{numbers.tex}}\n\\begin{{document}}\n"
        f"CIDEr is \\MacCapCocoCider{{}} here.\n{inputs}\\end{{document}}\n",
    )
    assert "CIDEr is 76.8 here." in text
    assert "??" not in text, "every table has its label"
    assert re.search(r"−34\.0\s*±\s*1\.2 \[−35\.1, −33\.2\]", text)
    text = text.replace("\N{INCREMENT}", "Δ")
    for sign in ["±", "→", "Δ", "%", "“quotes”", "‘single’", "–", "—", "×", "≤", "≥", "σ", "−", "&", "{", "<", "|"]:
        assert sign in text, sign
    assert len(re.findall(r"\bno119\b", text)) == 1
    assert text.count("verdict") >= 3  # a long table repeats its head on every page
