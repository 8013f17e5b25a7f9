r"""What somebody notes at the end of a line, to say what is done to both sides next: 2x + 3 = 7 \quad | -3."""

import re

_ROWS = re.compile(r"\\\\|\\end\b|\Z")
_SPACE = r"(?:&|\\q?quad\b|\\[,;:! ]|~|\s)*"
_BAR = re.compile(rf"{_SPACE}(?:\\[bB]igg?\s*)?(?:\||\\mid\b|\\l?vert\b){_SPACE}")
_STEP = re.compile(r"[-+:*/^]|\\(?:cdot|times|div|ln|log|exp|sqrt|frac)\b|\(\s*\)\s*\^")


def without_notes(latex: str) -> str:
    """The LaTeX with spaces in place of such notes."""
    begin = 0
    for end in _ROWS.finditer(latex):
        at = _note(latex[begin : end.start()])
        if at is not None:
            latex = latex[: begin + at] + re.sub(r"\S", " ", latex[begin + at : end.start()]) + latex[end.start() :]
        begin = end.end()
    return latex


def _note(row: str) -> int | None:
    """Where a row's note begins: at a bar without a partner, behind an equation, before an operator."""
    bars = [
        found for found in _BAR.finditer(row) if not re.search(r"\\(?:left|right|middle)?\s*$", row[: found.start()])
    ]
    for bar in reversed(bars[::2]) if len(bars) % 2 else ():
        before, step = row[: bar.start()], row[bar.end() :]
        outside = all(before.count(opener) <= before.count(closer) for opener, closer in ("()", "[]", "{}"))
        if outside and "=" in before and "=" not in step and _STEP.match(step):
            return bar.start()
    return None
