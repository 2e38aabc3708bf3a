"""Tables and texts as LaTeX that compiles as it is, with pdfLaTeX; a comment in each table names its packages."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

LONG = 40  # rows; more do not fit on a page
WORD = 13  # letters; a longer label may be broken into lines
PORTRAIT, LANDSCAPE = 88, 140  # letters of \scriptsize on a line of a page of the class article
ESCAPES = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "%": r"\%", "#": r"\#", "_": r"\_",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "|": r"\textbar{}", '"': "''", "±": r"$\pm$", "→": r"$\to$", "Δ": r"$\Delta$", "≠": r"$\neq$",
    "²": "$^2$", "³": "$^3$", "×": r"$\times$", "−": "$-$", "≤": r"$\leq$", "≥": r"$\geq$", "μ": r"$\mu$",
    "σ": r"$\sigma$", "\u00a0": "~", "\u202f": r"\,",
}  # fmt: skip


def escape(text: str) -> str:
    """The text for LaTeX's text mode; quotation marks, dashes and accented letters are LaTeX's own already."""
    return "".join(ESCAPES.get(letter, letter) for letter in text)


def latex_table(title: str, notes: list[str], frame: pd.DataFrame, labels: int) -> str:
    """A `table` no wider than the text, or, of more than LONG rows, a `longtable` over several pages.

    A longtable too wide for a page lies on its side. (A longtable needs a document, or a part of one, in one column.)

    Args:
        frame: the cells as plain text.
        labels: how many columns, from the left, name the rows; the others are set flush right.
    """
    numbers = frame.shape[1] - labels
    heads = " & ".join(map(escape, frame.columns)) + r" \\"
    rows = [" & ".join(map(escape, row)) + r" \\" for row in frame.itertuples(index=False)]
    if len(rows) <= LONG:
        return _floating(escape(title), " ".join(map(_breakable, notes)), "l" * labels + "r" * numbers, heads, rows)
    lengths = [max(len(text) for text in (name, *frame[name])) for name in frame.columns]
    wide = sum(lengths) + len(lengths) > PORTRAIT
    columns = "".join(_label_columns(lengths, labels) if wide else "l" * labels) + "r" * numbers
    table = _long(escape(title), r"\par ".join(map(_breakable, notes)), columns, heads, rows)
    packages = ["array", "booktabs", "longtable", *(["lscape"] if wide else [])]
    if wide:
        table = f"\\begin{{landscape}}\n{table}\\end{{landscape}}\n"
    return f"% Needs \\usepackage{{{','.join(packages)}}}\n{table}"


def _label_columns(lengths: list[int], labels: int) -> list[str]:
    """The label columns of a page in landscape; those with long labels share the room that the others leave."""
    broken = [length for length in lengths[:labels] if length > WORD]
    room = LANDSCAPE - len(lengths) - (sum(lengths) - sum(broken))
    share = min(room / max(sum(broken), 1), 1.0) / LANDSCAPE
    cell = r">{{\raggedright\arraybackslash}}p{{{:.3f}\linewidth}}"
    return [cell.format(share * length) if length > WORD else "l" for length in lengths[:labels]]


def _breakable(note: str) -> str:
    """A note whose addresses may break after a slash."""
    return escape(note).replace("/", r"/\allowbreak{}")


def _floating(title: str, notes: str, columns: str, heads: str, rows: list[str]) -> str:
    below = rf"\par\smallskip\begin{{minipage}}{{\linewidth}}\footnotesize\sloppy {notes}\end{{minipage}}"
    return "\n".join([
        "% Needs \\usepackage{booktabs,graphicx}",
        r"\begin{table}",
        r"\centering",
        rf"\caption{{{title}}}",
        r"\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{%",
        rf"\begin{{tabular}}{{{columns}}}",
        r"\toprule", heads, r"\midrule", *rows, r"\bottomrule",
        r"\end{tabular}}",
        *([below] if notes else []),
        r"\end{table}", "",
    ])  # fmt: skip


def _long(title: str, notes: str, columns: str, heads: str, rows: list[str]) -> str:
    head = [r"\toprule", heads, r"\midrule"]
    return "\n".join([
        r"\begingroup\scriptsize\setlength{\tabcolsep}{2.5pt}",
        r"\setlength{\LTleft}{0pt plus 1fill minus 1fill}\setlength{\LTright}{\LTleft}",
        rf"\begin{{longtable}}{{@{{}}{columns}@{{}}}}",
        rf"\caption{{{title}}}\\",
        *head, r"\endfirsthead",
        *head, r"\endhead",
        r"\bottomrule", r"\endfoot",
        *rows,
        r"\end{longtable}",
        *([rf"\sloppy\setlength{{\parindent}}{{0pt}}{notes}\par"] if notes else []),
        r"\endgroup", "",
    ])  # fmt: skip
