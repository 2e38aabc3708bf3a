"""Tables and texts as LaTeX that compiles as it is, with pdfLaTeX; a comment in each table names its packages."""

import re

LONG = 40  # rows; more do not fit on a page
STACK, NEXT = ", ", ",\\\\"  # between the parts of a column's head: in a text, in LaTeX
COLUMN = 55  # letters of \small on a line of one of two columns
ESCAPES = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "%": r"\%", "#": r"\#", "_": r"\_",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "|": r"\textbar{}", '"': "''", "±": r"$\pm$", "→": r"$\to$", "Δ": r"$\Delta$", "≠": r"$\neq$",
    "²": "$^2$", "³": "$^3$", "×": r"$\times$", "−": "$-$", "≤": r"$\leq$", "≥": r"$\geq$", "μ": r"$\mu$",
    "σ": r"$\sigma$", "\u00a0": "~", "\u202f": r"\,",
}  # fmt: skip
NEGATIVE = re.compile(r"(?<![\w-])-(?=\d)")
COMMAND = re.compile(r"\\[a-zA-Z]+|\\,|[{}$]")

Blocks = list[tuple[str, list[list[str]]]]


def escape(text: str) -> str:
    """The text for LaTeX's text mode; quotation marks, dashes and accented letters are LaTeX's own already."""
    return "".join(ESCAPES.get(letter, letter) for letter in NEGATIVE.sub("−", text))


def number(text: str, bold: bool) -> str:
    """A number with its spread, which is set small."""
    mean, _, spread = escape(text).partition(r" $\pm$ ")
    mean = rf"\textbf{{{mean}}}" if bold else mean
    return rf"{mean}{{\scriptsize\,$\pm$\,{spread}}}" if spread else mean


def latex_table(name: str, title: str, notes: list[str], heads: list[str], blocks: Blocks) -> str:
    r"""A `table`, or `table*` if it is wider than one of two columns, no wider than the text.

    If it has more than LONG rows, a `longtable` over several pages, which needs a document, or a part of one, in one
    column.

    Args:
        name: behind `tab:` in its `\label`.
        heads: of the columns, of which the first names the rows; the others are set flush right.
        blocks: rows below a title, which may be empty; their cells are LaTeX already.
    """
    columns = "l" + "r" * (len(heads) - 1)
    lines = []
    for number, (above, rows) in enumerate(blocks):
        lines += [r"\midrule"] if number and above else []
        lines += [rf"\multicolumn{{{len(heads)}}}{{l}}{{\textit{{{escape(above)}}}}} \\"] if above else []
        lines += [" & ".join(row) + r" \\" for row in rows]
    cells = [row for _, rows in blocks for row in rows]
    shown, head = [_breakable(note) for note in notes], " & ".join(map(_stacked, heads)) + r" \\"
    caption = rf"\caption{{{escape(title)}}}\label{{tab:{name}}}"
    if len(cells) > LONG:
        return _long(caption, r"\par ".join(shown), columns, head, lines)
    widest = [max(head.split(STACK), key=len) for head in heads]
    letters = sum(max(len(COMMAND.sub("", text)) for text in column) + 2 for column in zip(widest, *cells, strict=True))
    return _floating(caption, " ".join(shown), columns, head, lines, wide=letters > COLUMN)


def _stacked(head: str) -> str:
    """A column's head, on one line below the other where it has a comma."""
    lines = escape(head).split(STACK)
    return rf"\shortstack[r]{{{NEXT.join(lines)}}}" if len(lines) > 1 else lines[0]


def _breakable(note: str) -> str:
    """A note whose addresses may break after a slash."""
    return escape(note).replace("/", r"/\allowbreak{}")


def _floating(caption: str, notes: str, columns: str, head: str, lines: list[str], *, wide: bool) -> str:
    below = rf"\par\smallskip\begin{{minipage}}{{\linewidth}}\footnotesize\sloppy {notes}\end{{minipage}}"
    kind = "table*" if wide else "table"
    return "\n".join([
        "% Needs \\usepackage{booktabs,graphicx}" + ("; wide: spans both columns of a two-column page" if wide else ""),
        rf"\begin{{{kind}}}",
        r"\centering\small\setlength{\tabcolsep}{4pt}",
        caption,
        r"\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{%",
        rf"\begin{{tabular}}{{{columns}}}",
        r"\toprule", head, r"\midrule", *lines, r"\bottomrule",
        r"\end{tabular}}",
        *([below] if notes else []),
        rf"\end{{{kind}}}", "",
    ])  # fmt: skip


def _long(caption: str, notes: str, columns: str, head: str, lines: list[str]) -> str:
    return "\n".join([
        r"% Needs \usepackage{booktabs,longtable}",
        r"\begingroup\scriptsize\setlength{\tabcolsep}{2.5pt}",
        r"\setlength{\LTleft}{0pt plus 1fill minus 1fill}\setlength{\LTright}{\LTleft}",
        rf"\begin{{longtable}}{{@{{}}{columns}@{{}}}}",
        rf"{caption}\\",
        r"\toprule", head, r"\midrule", r"\endfirsthead",
        r"\toprule", head, r"\midrule", r"\endhead",
        r"\bottomrule", r"\endfoot",
        *lines,
        r"\end{longtable}",
        *([rf"\sloppy\setlength{{\parindent}}{{0pt}}{notes}\par"] if notes else []),
        r"\endgroup", "",
    ])  # fmt: skip
