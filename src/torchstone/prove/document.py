"""From a file to its formulas: the display math of a Markdown text or of a notebook's text cells, in order."""

import json
import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

LONGEST_FORMULA = 20_000  # characters: more is no line of a derivation
LONGEST_TEXT = 1_000_000  # of a file or a cell
HERE = "\ufffc"  # stands for a formula in a text


@dataclass(frozen=True)
class Formula:
    """One display formula. `trouble` tells why it can't be read, where that shows before its LaTeX is looked at."""

    latex: str
    line: int  # on which the LaTeX begins, counted from 1
    cell: int | None = None
    trouble: str = ""

    def line_at(self, offset: int) -> int:
        """The line of a place in the LaTeX."""
        return self.line + self.latex.count("\n", 0, offset)


@dataclass
class Words:
    """A text with formulas in it, each shown as the sign HERE."""

    text: str = ""
    formulas: list[Formula] = field(default_factory=list)


@dataclass
class Passage:
    """Formulas with no sentence between them: a chain. `words` stand before it."""

    formulas: list[Formula] = field(default_factory=list)
    words: Words = field(default_factory=Words)


@dataclass
class Section:
    """What stands under one heading. `titles` are the headings it is under, from the outermost."""

    titles: tuple[str, ...]
    afresh: bool  # whether nothing said before it counts
    passages: list[Passage] = field(default_factory=list)
    inline: list[Formula] = field(default_factory=list)  # formulas in its heading and its sentences
    heads: tuple[Words, ...] = ()  # the headings it is under
    tail: Words = field(default_factory=Words)  # what stands behind its last chain

    @property
    def title(self) -> str:
        """All its headings in one line."""
        return " › ".join(self.titles)


@dataclass(frozen=True)
class _Heading:
    level: int
    title: str
    words: Words


@dataclass(frozen=True)
class _Inline:
    formula: Formula


@dataclass(frozen=True)
class _Sentence:
    """Words, code, an image: what parts one chain from the next. `parts`: not a list's mark or a full stop alone."""

    text: str = ""
    parts: bool = True


_Piece = Formula | _Heading | _Inline | _Sentence

_ENVIRONMENT = r"equation|align|gather|multline|eqnarray|flalign|alignat|displaymath|math"
_TOKEN = re.compile(
    r"(?P<fence>^[ \t]*(?P<ticks>`{3,}|~{3,})[^\n]*$)"
    r"|(?P<comment><!--)"
    r"|(?P<code>(?<!`)(?P<tick>`+)(?!`))"
    r"|(?P<doubled>\\\\\[)"  # as some notebooks write \\[, for Markdown takes one backslash away
    r"|(?P<escaped>\\[\\$`#])"
    r"|(?P<dollars>\$\$)"
    r"|(?P<bracket>\\\[)"
    rf"|(?P<begin>\\begin\{{(?P<name>(?:{_ENVIRONMENT})\*?)\}})"
    r"|(?P<paren>\\\()"
    r"|(?P<dollar>\$)"
    r"|(?P<heading>^[ \t]{0,3}(?P<marks>#{1,6})[ \t]+(?P<title>[^\n]*)$)"
    r"|(?P<underlined>^[ \t]{0,3}(?P<text>[^\s#>\-=*+|`$\\][^\n]*)\n[ \t]{0,3}(?P<rule>=+|-{2,})[ \t]*$)",
    re.MULTILINE,
)
# One dollar opens a formula where no space follows, and closes it where none precedes and no digit follows.
_INLINE = re.compile(r"(?=\S)(?:[^$\n\\]|\\[\s\S]|\n(?!\s*\n)){1,1000}(?<!\s)\$(?![\d$])")
_WORDS = re.compile(r"[^\W\d_]{2,}")
_PROSE_LINE = re.compile(r"^[ \t]*[^\W\d_]{2,}[,.:;]?(?:[ \t]+[^\W\d_]+[,.:;]?){2,}", re.MULTILINE)
_TITLE_FORMULA = re.compile(r"(\$+[^$]+\$+|\\\(.*?\\\))")
_QUOTED = re.compile(r"^[ \t]*>[ \t]?", re.MULTILINE)
_PART = re.compile(r"^[ \t>*_-]*\(?(?:[a-h]|[ivx]{1,4})\)", re.MULTILINE)  # (a), b), ii)
_RULE = re.compile(r"^[ \t]{0,3}([-*_])(?:[ \t]*\1){2,}[ \t]*$", re.MULTILINE)
_BULLET = re.compile(r"^[ \t]*(?:[-*+]|\d+[.)]|>)[ \t]+", re.MULTILINE)


def read_markdown(text: str) -> list[Section]:
    """The sections of a Markdown text."""
    return _sections(_pieces(text, None))


def read_notebook(text: str) -> list[Section]:
    """The sections of a notebook, over all its text cells. Raises `ValueError` for what is no notebook."""
    import nbformat

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what a newer format would have: the cells' text is all that counts here
            notebook = nbformat.reads(text, as_version=4)
        cells = [(entry.cell_type, str(entry.source)) for entry in notebook.cells]
    except nbformat.reader.NotJSONError:
        raise ValueError("expected a notebook, got a text that is no JSON") from None
    except Exception:  # nbformat raises whatever its validation or its conversion meets
        raise ValueError("expected a notebook, got JSON without a notebook's cells") from None
    pieces: list[_Piece] = []
    for number, (kind, source) in enumerate(cells, 1):
        pieces += _pieces(source, number) if kind == "markdown" else [_Sentence()]
    return _sections(pieces)


def is_notebook(text: str) -> bool:
    """Whether a text is a notebook's JSON."""
    if not text.lstrip().startswith("{"):
        return False
    try:
        content = json.loads(text)
    except ValueError:
        return False
    return isinstance(content, dict) and "cells" in content


def _pieces(text: str, cell: int | None) -> list[_Piece]:
    if len(text) > LONGEST_TEXT:
        what = "file" if cell is None else "cell"
        trouble = f"the {what} has {len(text):,} characters; at most {LONGEST_TEXT:,} are read"
        return [Formula("", 1, cell, trouble)]
    return list(_scan(text.replace("\r\n", "\n"), cell))


def _scan(text: str, cell: int | None) -> Iterator[_Piece]:
    at, line, counted = 0, 1, 0
    while match := _TOKEN.search(text, at):
        yield _said(text[at : match.start()])
        line, counted = line + text.count("\n", counted, match.start()), match.start()
        kind = next(name for name in _KINDS if match[name] is not None)
        if kind in _CLOSERS:
            pieces, at = _math(text, match, kind, line, cell)
        elif kind in _SKIPPED:
            pieces, at = [_Sentence()] if kind != "comment" else [], _skip(text, match, kind)
        else:
            pieces, at = _heading(match, kind, line, cell)
        yield from pieces
    yield _said(text[at:])


_CLOSERS = {
    "dollars": "$$", "bracket": r"\]", "doubled": r"\\]", "begin": r"\end{NAME}", "paren": r"\)", "dollar": "$",
}  # fmt: skip
_SKIPPED = {"fence": r"^[ \t]*TICKS[^\n]*$", "comment": "-->", "code": r"(?<!`)TICKS(?!`)"}
_KINDS = (*_CLOSERS, *_SKIPPED, "escaped", "heading", "underlined")


def _math(text: str, match: re.Match[str], kind: str, line: int, cell: int | None) -> tuple[list[_Piece], int]:
    """A formula, and where the text goes on."""
    closer = _CLOSERS[kind].replace("NAME", match["name"] or "")
    start, end = match.end(), _close(text, match.end(), closer, kind)
    if end < 0 and kind == "dollar":  # money, perhaps
        return [], start
    if end < 0:
        end = _blank_line(text, start)
        return [_formula(text[start:end], line, cell, f"{match[0]} is not closed by {closer}")], end
    if kind == "begin":
        return [_formula(text[match.start() : end], line, cell)], end
    latex = text[start : end - len(closer)]
    if text[text.rfind("\n", 0, match.start()) + 1 : match.start()].lstrip().startswith(">"):
        latex = _QUOTED.sub("", latex)
    formula = _formula(latex, line, cell)
    return ([_Sentence(), _Inline(formula)] if kind in ("dollar", "paren") else [formula]), end


def _heading(match: re.Match[str], kind: str, line: int, cell: int | None) -> tuple[list[_Piece], int]:
    if kind == "heading":
        words = Words()
        for number, part in enumerate(_TITLE_FORMULA.split(match["title"])):
            words.text += HERE if number % 2 else part
            words.formulas += [_formula(part.strip("$").removeprefix("\\(").removesuffix("\\)"), line, cell)] * (
                number % 2
            )
        return [_Heading(len(match["marks"]), _plain(match["title"]), words)], match.end()
    if kind == "underlined" and "$" not in match["text"]:
        title = _plain(match["text"])
        return [_Heading(1 if match["rule"][0] == "=" else 2, title, Words(title))], match.end()
    # An escaped sign; or a line with formulas above a rule, to be read as any other.
    return [], match.end() if kind == "escaped" else match.start("text") + 1


def _skip(text: str, match: re.Match[str], kind: str) -> int:
    """Where code or a comment ends."""
    pattern = _SKIPPED[kind].replace("TICKS", match["ticks"] or match["tick"] or "")
    found = re.compile(pattern, re.MULTILINE).search(text, match.end())
    return found.end() if found else len(text)


def _close(text: str, start: int, closer: str, kind: str) -> int:
    """Where a formula ends, past its closer; -1 where it isn't closed."""
    if kind == "dollar":
        found = _INLINE.match(text, start)
        return found.end() if found else -1
    end = text.find(closer, start)
    while end > 0 and text[end - 1] == "\\" and closer.startswith("$"):
        end = text.find(closer, end + 1)
    inside = text[start:end] if end >= 0 else ""
    if end < 0 or (kind == "paren" and "\n\n" in inside):
        return -1
    # Prose after an empty line: what closes here is another formula's beginning.
    if "\n\n" in inside and _PROSE_LINE.search(inside):
        return -1
    return end + len(closer)


def _blank_line(text: str, start: int) -> int:
    found = re.compile(r"\n[ \t]*\n").search(text, start)
    return found.start() if found else len(text)


def _formula(latex: str, line: int, cell: int | None, trouble: str = "") -> Formula:
    blank = len(latex) - len(latex.lstrip())
    line += latex.count("\n", 0, blank)
    latex = latex.strip()
    if len(latex) > LONGEST_FORMULA:
        trouble = trouble or f"the formula has {len(latex):,} characters; at most {LONGEST_FORMULA:,} are read"
    return Formula(latex[:LONGEST_FORMULA], line, cell, trouble)


def _said(text: str) -> _Sentence:
    """What stands between two formulas. A list's marks and a stray full stop are no words; a rule parts as they do."""
    parts = _WORDS.search(_BULLET.sub("", text)) or _RULE.search(text) or _PART.search(text)
    return _Sentence(text, parts is not None)


def _plain(title: str) -> str:
    """A heading's text without its Markdown."""
    return re.sub(r"\s+", " ", re.sub(r"[*`]+", "", title)).strip(" #:")


_UNFINISHED = re.compile(r"(?<![<>!:=\\])=\s*$")


def _continued(section: Section, formula: Formula) -> Formula:
    """A formula; with the "=" at its beginning that ends the one before it."""
    before = section.passages[-1].formulas if section.passages else []
    if not before or formula.trouble or not _UNFINISHED.search(before[-1].latex):
        return formula
    before[-1] = replace(before[-1], latex=_UNFINISHED.sub("", before[-1].latex).rstrip())
    return formula if formula.latex.startswith("=") else replace(formula, latex="= " + formula.latex)


# A heading that begins a new exercise: what was said in the one before is not meant in it.
_EXERCISE = re.compile(
    r"(?:task|exercise|problem|question|assignment|aufgabe|übung|exercice|ejercicio|esercizio|zadanie)\s*\d",
    re.IGNORECASE,
)


def _sections(pieces: list[_Piece]) -> list[Section]:
    levels = [piece.level for piece in pieces if isinstance(piece, _Heading)]
    top = min(levels, default=0)
    top = top if levels.count(top) > 1 else 0
    sections = [Section((), True)]
    path: list[_Heading] = []
    apart, words = True, sections[0].tail
    for piece in pieces:
        if isinstance(piece, _Heading):
            path = [*(above for above in path if above.level < piece.level), piece]
            afresh = piece.level <= top or _EXERCISE.match(piece.title) is not None
            titles, heads = tuple(above.title for above in path), tuple(above.words for above in path)
            sections.append(Section(titles, afresh, inline=list(piece.words.formulas), heads=heads))
            words = sections[-1].tail
        elif isinstance(piece, _Inline):
            sections[-1].inline.append(piece.formula)
            words.text += HERE
            words.formulas.append(piece.formula)
        elif isinstance(piece, _Sentence):
            words.text += piece.text
        elif piece.latex or piece.trouble:
            formula = _continued(sections[-1], piece)
            if apart or not sections[-1].passages:
                sections[-1].passages.append(Passage(words=words))
                words = sections[-1].tail = Words()
            sections[-1].passages[-1].formulas.append(formula)
        apart = piece.parts or apart if isinstance(piece, _Sentence) else not isinstance(piece, Formula)
    return sections
