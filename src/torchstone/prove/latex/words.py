r"""Words in formulas: \text{softmax} is a name, \text{for } begins a condition, \text{(chain rule)} is a remark."""

from __future__ import annotations

import re

from torchstone.prove.latex.commands import words
from torchstone.prove.latex.reader import CLOSES, OPENS, Token, short
from torchstone.prove.latex.runs import joined
from torchstone.prove.tree import LatexError

# What stands after these is a condition; in English, German, French, Spanish, Italian, Portuguese, Polish, Russian.
CONDITION = set(
    words("""
    if for when whenever provided assuming as unless at falls wenn für fuer bei pour si lorsque quand para cuando se
    per quando dla gdy jeśli jezeli при если для
""")
)
CASES = {"case", "fall", "cas", "caso"}  # \text{Case 1: } i = j
OTHERWISE = set(
    words("""
    otherwise else elsewhere sonst ansonsten andernfalls sinon autrement altrimenti иначе przeciwnym contrario caso
    ailleurs
""")
)
# These stand between two statements.
LINK = set(
    words("""
    and where since because so thus hence then therefore with let while but also given by from now note finally
    first next similarly is that we i.e ie e.g eg which set put using say define have get obtain becomes gives
    yields implies follows denote means this it und wobei mit da also somit daher folglich sei dann damit weil denn
    ist wir et où ou avec donc alors car soit puis y donde con entonces luego sea e dove quindi allora sia poiché
    onde então i gdzie z więc stąd niech и где с то тогда следовательно поэтому пусть так значит
""")
)
ALTERNATIVE = {"or", "oder", "или", "lub", "either"}
NEGATIONS = {"unless"}

_WORD = re.compile(r"[^\W\d_]+(?:[.'][^\W\d_]+)*")
_NAME = re.compile(r"[^\W\d_]\w*(?:[ -]\w+){0,3}")
_SIGNS = {"SIGN", "TIMES", "OVER", "REL"}
_PARTS = {"SOFT", "COMMA", "SEMI", "NEWLINE", "LINK", "REMARK", "PERIOD"}


def clean(text: str) -> str:
    """Without LaTeX's own marks and outer punctuation."""
    text = re.sub(r"\\(?:eqref|ref|cite|label)\s*\{[^}]*\}|\\[a-zA-Z]+|\\[ ,;:!]|[{}~]|\\(?=[_%&#])", " ", text)
    return re.sub(r"\s+_", "_", " ".join(text.split()))


def kind_of(text: str) -> str:
    """What a text says: "cond", "otherwise", "or", "where" (between statements), "name", "remark" or "" for nothing."""
    found = [word.lower() for word in _WORD.findall(text)]
    if not found:
        return "" if not re.search(r"\w", text) else "name"
    if found == [text.strip().lower()] and len(found[0]) == 1 and text == text.strip():
        return "name"
    first, last = found[0], found[-1]
    if NEGATIONS & {first, last}:
        raise LatexError(f'"{short(text)}" is not read: write the condition itself')
    several = first in ("en", "in", "w") and last in OTHERWISE
    kinds = {
        "otherwise": first in OTHERWISE or several,
        "where": found in (["if", "and", "only", "if"], ["iff"]),
        "or": first in ALTERNATIVE,
        "cond": bool(CONDITION & {first, last}) or first in CASES,
        "link": bool(LINK & {first, last}),
        "name": bool(_NAME.fullmatch(text.strip())),
    }
    kind = next((kind for kind, holds in kinds.items() if holds), "remark")
    return "where" if kind == "link" else kind


def resolve(tokens: list[Token], in_cases: bool = False) -> list[Token]:
    """Every TEXT becomes a NAME, a LINK (with the kind of words it is), or a REMARK."""
    tokens = [token for token in joined(tokens, in_cases) if token.type != "TEXT" or clean(token.value)]
    out: list[Token] = []
    depth, position = 0, 0
    while position < len(tokens):
        token = tokens[position]
        if token.type == "OPEN" and depth == 0 and (end := _remark_in_brackets(tokens, position)):
            inner = tokens[position + 1]
            kind = _kind(inner)
            if kind == "cond":
                out += [Token("LINK", "cond", token.start_pos, inner.end_pos), *resolve(tokens[position + 2 : end])]
            out.append(Token("REMARK", "", tokens[end].start_pos, tokens[end].end_pos))
            position = end + 1
            continue
        if token.type == "TEXT":
            following = next((other for other in tokens[position + 1 :]), None)
            out.append(_resolved(token, out, following, depth))
        else:
            depth += (token.type in OPENS) - (token.type in CLOSES)
            out.append(token)
        position += 1
    return out


def _kind(token: Token) -> str:
    try:
        return kind_of(clean(token.value))
    except LatexError as error:
        raise LatexError(str(error), token.start_pos) from None


def _remark_in_brackets(tokens: list[Token], position: int) -> int:
    """Where the bracket that opens at `position` closes, if it holds a remark: (since x > 0), (chain rule)."""
    if position + 1 >= len(tokens) or tokens[position + 1].type not in ("TEXT", "LINK"):
        return 0
    depth = 0
    for end in range(position, len(tokens)):
        depth += (tokens[end].type in OPENS) - (tokens[end].type in CLOSES)
        if depth == 0:
            break
    if tokens[position + 1].type == "LINK":
        return end
    kind = _kind(tokens[position + 1])
    apart = position == 0 or tokens[position - 1].type in _PARTS
    several = " " in clean(tokens[position + 1].value)
    lone = end == position + 2 and (several or apart)
    return end if kind in ("cond", "where", "remark") or lone else 0


def _resolved(token: Token, before: list[Token], following: Token | None, depth: int) -> Token:
    text = clean(token.value)
    kind = _kind(token)
    previous = before[-1] if before else None
    apart = previous is None or previous.type in _PARTS
    ends = following is None or following.type in _PARTS | {"TAG"}
    meets = following is not None and following.type in {"SUB", "SUP", "PRIMES", "OPEN"} | _SIGNS
    if depth > 0:
        kind = "name" if kind in ("cond", "otherwise", "or", "where") else kind
    elif kind == "name" and " " in text:
        single = meets or (previous is not None and previous.type in _SIGNS)
        kind = "name" if single else "remark"
    elif kind == "name":
        after_space = apart and previous is not None and _operand_before(before)
        if (apart and following is not None and following.type == "SOFT") or (after_space and ends):
            kind = "remark"
    if kind in ("cond", "where", "or", "otherwise"):
        return Token("LINK", kind, token.start_pos, token.end_pos)
    if kind == "name" or (depth > 0 and re.search(r"\w", text)):
        name = re.sub(r"\W+", "_", text).strip("_")
        return Token("NAME", (name, "word" if len(name) > 1 else "upright"), token.start_pos, token.end_pos)
    return Token("REMARK", text, token.start_pos, token.end_pos)


def _operand_before(before: list[Token]) -> bool:
    solid = [token for token in before if token.type != "SOFT"]
    return bool(solid) and solid[-1].type not in _SIGNS
