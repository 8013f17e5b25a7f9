r"""Letters without a space between them: xy is a product, but max(0, x) is no product of m, a and x."""

from __future__ import annotations

import re

from torchstone.prove.latex.commands import BIG, FUNCTIONS, words
from torchstone.prove.latex.reader import Token, short
from torchstone.prove.tree import LatexError

# Names that stand for themselves even where nobody wrote \text around them.
NAMES = set(
    words("""
    softmax sigmoid Softmax Sigmoid relu ReLU RELU softplus Softplus logit logits silu SiLU swish Swish mish Mish gelu
    GELU elu ELU selu SELU tanhshrink hardtanh sign sgn erf erfc loss Loss cost Cost error Error MSE RMSE MAE BCE NLL
    mean Mean var Var std pred true target output input net grad logsumexp LogSumExp argmax argmin
    """)
)
LONG = 5  # so many letters side by side are a word that somebody forgot to mark
IN_CASES = words("if for when otherwise else elsewhere falls wenn sonst ansonsten si sinon se altrimenti")
_INSIDE = re.compile("log|exp|sin|cos|tan|max|min|softmax|sigmoid|relu|^ln|^if$|^(?:" + "|".join(BIG) + ")$|^sqrt")
_INDICES = re.compile("[i-np-t]+")


def joined(tokens: list[Token], in_cases: bool = False) -> list[Token]:
    """The tokens, with words for the letters that spell one.

    Raises:
        LatexError: where letters hold a word and more, as in sinx.
    """
    out: list[Token] = []
    position = 0
    while position < len(tokens):
        end = position + 1
        while end < len(tokens) and _letter(tokens[end - 1]) and _letter(tokens[end]) and _touch(tokens, end):
            end += 1
        run = tokens[position:end]
        out += run if len(run) == 1 else _read(run, out, tokens[end:], in_cases)
        position = end
    return out


def _letter(token: Token) -> bool:
    return token.type == "NAME" and token.value[1] == "letter" and len(token.value[0]) == 1


def _touch(tokens: list[Token], end: int) -> bool:
    return tokens[end - 1].end_pos == tokens[end].start_pos


def _read(run: list[Token], before: list[Token], after: list[Token], in_cases: bool) -> list[Token]:
    text = "".join(token.value[0] for token in run)
    begin, end = run[0].start_pos, run[-1].end_pos
    if in_cases and text in IN_CASES:
        return [Token("TEXT", text, begin, end)]
    if text in FUNCTIONS:
        return [Token("NAME", (text, "function"), begin, end)]
    if text in NAMES or (_is_index(before, after) and len(text) > 2 and not _INDICES.fullmatch(text)):
        return [Token("NAME", (text, "word"), begin, end)]
    told = f"{short(text)} is read letter by letter: write"
    if found := _INSIDE.search(text):
        write = f"\\{found[0]}" if found[0] in (*FUNCTIONS, *BIG, "sqrt") else f"\\text{{{found[0]}}}"
        raise LatexError(f"{told} {write} if a word is meant", begin)
    if len(text) >= LONG:
        raise LatexError(f"{told} \\text{{{short(text)}}} if a word is meant", begin)
    return run


def _is_index(before: list[Token], after: list[Token]) -> bool:
    """Whether it is all that stands in an index."""
    kinds = [token.type for token in before[-2:]]
    return kinds == ["SUB", "LBRACE"] and bool(after) and after[0].type == "RBRACE"
