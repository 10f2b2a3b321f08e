"""Tables in LaTeX, with the packages booktabs and longtable.

Each file holds the rows and the rounded numbers that readers see elsewhere (`render.lay_out`). A wide table is cut into
parts of at most six columns of numbers, one below the other, along the data sets or the groups of columns, and every
part is as wide as the text. All text is escaped, so that a title cannot be read as a command. Characters for which the
common fonts of pdfLaTeX have no glyph are written as their code, such as [U+80BA].
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from oncorobust.report.tables.cell import Table
from oncorobust.report.tables.render import Heading, Layout, counts_text, lay_out
from oncorobust.report.tables.validity import CAPTION, Gate, marked

_MOST_COLUMNS = 6
_PREAMBLE = "% \\usepackage[T1]{fontenc} \\usepackage{array,booktabs,longtable}  % written by oncorobust\n"
_GAP = 0.02
"""Space between two columns, as a share of the width of the text."""
_LABEL_WIDTH = 1.2
"""Width of a column of labels, as a multiple of that of a column of numbers."""

_ESCAPED = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "#": r"\#",
    "%": r"\%",
    "_": r"\_",
    "^": r"\textasciicircum{}",
    "~": r"\textasciitilde{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\textquotedbl{}",
    "`": r"\textasciigrave{}",
    "[": "{[}",
    "]": "{]}",
    "\u00a0": "~",
    "\u2013": r"\textendash{}",
    "\u2014": r"\textemdash{}",
    "\u2026": r"\ldots{}",
    "\u00d7": r"\texttimes{}",
    "\u00b1": r"\textpm{}",
    "\u00b5": r"\textmu{}",
    "\u03bc": r"\textmu{}",
    "\u2264": r"\ensuremath{\leq}",
    "\u2265": r"\ensuremath{\geq}",
}


_RARE = "\u0126\u0127\u0138\u013f\u0140\u0149\u0166\u0167\u017f"
"""Latin letters that the encoding T1 lacks."""
_LIGATURE = re.compile(r"([-',])(?=\1)")
"""Characters that LaTeX would join with the next one."""
_MINUS = re.compile(r"(?<![\w.-])-(?=\d)")


@dataclass(frozen=True)
class Part:
    """Some columns of numbers of a table, with its labels. heading: above all of them; empty for none."""

    label_heads: tuple[str, ...]
    heading: str
    headings: tuple[Heading, ...]
    lines: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...]


def escape_latex(text: str) -> str:
    """Return text that LaTeX shows as it is, on one line."""
    escaped = "".join(map(_escaped, re.sub(r"\s*[\n\r\t]\s*", " ", text)))
    return _LIGATURE.sub(r"\1{}", _MINUS.sub(r"\\textminus{}", escaped))


def _escaped(character: str) -> str:
    if character in _ESCAPED:
        return _ESCAPED[character]
    latin = character.isascii() or (
        character.isalpha() and "\u00c0" <= character <= "\u017f" and character not in _RARE
    )
    return character if latin and character.isprintable() else f"{{[}}U+{ord(character):04X}{{]}}"


def to_latex(table: Table) -> str:
    """Return a table as a file that a LaTeX document reads with \\input; the caption alone where there are no rows."""
    caption = f"{escape_latex(table.caption)} {escape_latex(counts_text(table))}"
    return _file(f"{escape_latex(table.name)}: {caption}", _label(table.name), list(parts_of(lay_out(table))))


def gates_to_latex(gates: Sequence[Gate]) -> str:
    """Return the checks of the validity gate as such a file, a part for each model."""
    heads = tuple(Heading("", text, False) for text in ("Status", "Found", "Expected"))
    parts = [
        Part(
            ("Check",),
            gate.heading,
            heads,
            tuple(((one.name,), (one.status, one.finding, one.expected)) for one in gate.checks),
        )
        for gate in gates
    ]
    return _file(f"Validity: {escape_latex(marked(CAPTION, gates))}", "tab:validity", parts)


def parts_of(layout: Layout) -> Iterator[Part]:
    """Return a table cut into parts of few columns, without the lines that are empty in a part."""
    for group, positions in _cut(layout.headings):
        lines = [(line.labels, tuple(line.texts[one] for one in positions)) for line in layout.lines]
        yield Part(
            layout.label_heads,
            group,
            tuple(layout.headings[one] for one in positions),
            tuple(line for line in lines if any(line[1])),
        )


def _cut(headings: Sequence[Heading]) -> Iterator[tuple[str, list[int]]]:
    """Return the heading and the columns of each part: groups are kept whole as far as they have few columns."""
    for group, members in groupby(range(len(headings)), key=lambda one: headings[one].group):
        held = list(members)
        n_parts = -(-len(held) // _MOST_COLUMNS)
        size = -(-len(held) // n_parts)
        for start in range(0, len(held), size):
            yield group, held[start : start + size]


def _file(caption: str, label: str, parts: Sequence[Part]) -> str:
    if not parts:
        return f"{_PREAMBLE}\\noindent {caption}\n"
    pieces = [_PREAMBLE, "\\begingroup\\footnotesize\\setlength{\\tabcolsep}{0pt}\n"]
    for number, part in enumerate(parts):
        pieces.append("".join(_part(part, f"\\caption{{{caption}}}\\label{{{label}}}\\\\\n" if number == 0 else "")))
    return "".join([*pieces, "\\endgroup\n"])


def _part(part: Part, caption: str) -> Iterator[str]:
    n_labels, n_numbers = len(part.label_heads), len(part.headings)
    n_columns = n_labels + n_numbers
    width = (1 - _GAP * (n_columns - 1)) / (n_labels * _LABEL_WIDTH + n_numbers)
    columns = [_column(width * _LABEL_WIDTH, "raggedright")] * n_labels + [_column(width, "raggedright")] * n_numbers
    gap = f"@{{\\hspace{{{_GAP}\\linewidth}}}}"
    yield f"\\begin{{longtable}}{{{gap.join(columns)}}}\n{caption}\\toprule\n"
    if part.heading:
        yield f"\\multicolumn{{{n_columns}}}{{l}}{{\\textbf{{{escape_latex(part.heading)}}}}}\\\\\n\\midrule\n"
    heads = [escape_latex(one) for one in part.label_heads]
    yield _line([*heads, *(_head(one) for one in part.headings)])
    yield "\\midrule\n\\endhead\n\\bottomrule\n\\endlastfoot\n"
    for labels, texts in part.lines:
        shown = (escape_latex(text) for text in texts)
        numbers = (
            f"\\textit{{{text}}}" if one.paper and text else text
            for one, text in zip(part.headings, shown, strict=True)
        )
        yield _line([*map(escape_latex, labels), *numbers])
    yield "\\end{longtable}\n"


def _column(width: float, alignment: str) -> str:
    return f">{{\\{alignment}\\arraybackslash}}p{{{width:.3f}\\linewidth}}"


def _head(heading: Heading) -> str:
    text = escape_latex(heading.text)
    return f"\\textit{{{text}}}" if heading.paper else text


def _line(texts: Iterable[str]) -> str:
    return " & ".join(texts) + " \\\\\n"


def _label(name: str) -> str:
    """Return the label of a table, such as tab:table-s5."""
    return "tab:" + re.sub(r"[^a-z0-9]+", "-", name.lower())
