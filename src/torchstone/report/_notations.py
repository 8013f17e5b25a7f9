"""The two ways in which formulas are written: LaTeX, and one line of Unicode. `formulas` decides what is written."""

import re
import unicodedata
from abc import ABC, abstractmethod
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

# How tightly a piece holds together. Less than its place asks for, and it stands in brackets.
SUM, PREFIX, PRODUCT, FRACTION, POWER, ATOM = range(6)


class Piece(NamedTuple):
    """A piece of a formula. A PREFIX (a sum sign, d/dx) takes everything to its right."""

    text: str
    level: int = ATOM


GREEK = {
    unicodedata.name(letter).split()[-1].lower(): letter
    for letter in map(chr, range(ord("α"), ord("ω") + 1))
    if letter != "ς"
} | {"lambda": "λ"}
CAPITALS = {
    name: unicodedata.lookup(f"GREEK CAPITAL LETTER {name}")
    for name in ("Gamma", "Delta", "Theta", "Xi", "Pi", "Sigma", "Phi", "Psi", "Omega")
} | {"Lambda": "Λ"}
ACCENTS = {"hat": "\u0302", "bar": "\u0304", "tilde": "\u0303", "dot": "\u0307"}
_LETTERS = GREEK | CAPITALS
_SIGNS = {letter: f"\\{name}" for name, letter in _LETTERS.items()} | {
    "∂": r"\partial", "√": r"\surd", "∞": r"\infty", "≤": r"\leq", "≥": r"\geq", "≠": r"\neq", "·": r"\cdot",
    "→": r"\to", "²": "^2", "³": "^3",
}  # fmt: skip
_COMMANDS = {"log", "sin", "cos", "tan", "sinh", "cosh", "tanh", "coth", "arcsin", "arccos", "arctan", "max", "min"}
# Signs in LaTeX and in Unicode.
_RELATIONS = {
    "=": ("=", "="),
    "!=": (r"\neq", "≠"),
    "<": ("<", "<"),
    "<=": (r"\leq", "≤"),
    ">": (">", ">"),
    ">=": (r"\geq", "≥"),
    "in": (r"\in", "∈"),
    "to": (r"\to", "→"),
    "union": (r"\cup", "∪"),
    "and": (r"\text{ and }", "and"),
    "or": (r"\text{ or }", "or"),
}
_BIG = {"sum": (r"\sum", "∑"), "prod": (r"\prod", "∏"), "int": (r"\int", "∫"), "lim": (r"\lim", "lim")}
_CONSTANTS = {
    "infinity": (r"\infty", "∞"),
    "pi": (r"\pi", "π"),
    "e": ("e", "e"),
    "reals": (r"\mathbb{R}", "ℝ"),
    "integers": (r"\mathbb{Z}", "ℤ"),
    "naturals": (r"\mathbb{N}", "ℕ"),
}


class Notation(ABC):
    """How each construct is written, given its pieces."""

    inline: int  # the least level of a factor, and of what stands after d/dx or a sum sign
    column: int  # of the tables above
    space: str  # between d/dx and what it is of

    @abstractmethod
    def symbol(self, name: str, bold: bool = False) -> str:
        """A name with its accents and subscripts: w_1, y_hat, sigma."""

    @abstractmethod
    def subscripted(self, base: str, subscript: str) -> str:
        """A base with a subscript."""

    @abstractmethod
    def function(self, name: str) -> str:
        """The name of a function."""

    @abstractmethod
    def bracketed(self, text: str, kind: str = "()") -> str:
        """In brackets."""

    @abstractmethod
    def fraction(self, top: Piece, bottom: Piece) -> Piece:
        """A quotient."""

    @abstractmethod
    def raised(self, base: str, exponent: Piece) -> str:
        """A base, in brackets where it needs them, with an exponent."""

    @abstractmethod
    def exponential(self, exponent: Piece) -> Piece:
        """A power of e."""

    @abstractmethod
    def root(self, body: Piece) -> Piece:
        """A square root."""

    @abstractmethod
    def times(self, left: Piece, right: Piece) -> str:
        """The sign between two factors."""

    @abstractmethod
    def big(self, kind: str, lower: str, upper: str) -> str:
        """A sign that takes what follows it."""

    @abstractmethod
    def evaluated(self, body: Piece, where: str) -> str:
        """An expression at a place."""

    @abstractmethod
    def cases(self, rows: Sequence[tuple[str, str | None]]) -> str:
        """Values with their conditions; the condition None is what is left."""

    def relation(self, name: str) -> str:
        """A sign between two sides."""
        return _RELATIONS[name][self.column]

    def constant(self, name: str) -> str:
        """A constant."""
        return _CONSTANTS[name][self.column]

    def at_least(self, piece: Piece, level: int) -> str:
        """The piece, in brackets where it holds together less tightly than its place asks for."""
        return piece.text if piece.level >= level else self.bracketed(piece.text)

    def product(self, factors: Sequence[Piece]) -> Piece:
        """Factors side by side; a prefix needs no brackets where it is the last."""
        if len(factors) == 1:
            return factors[0]
        last = len(factors) - 1
        pieces = [
            each
            if each.level >= self.inline or (each.level == PREFIX and n == last)
            else Piece(self.bracketed(each.text))
            for n, each in enumerate(factors)
        ]
        text = pieces[0].text
        for left, right in pairwise(pieces):
            text += self.times(left, right) + right.text
        return Piece(text, PREFIX if pieces[-1].level == PREFIX else PRODUCT)


def in_ascii(latex: str) -> str:
    r"""LaTeX whose words hold mathematical signs, for compilers that have no such letters: σ is set as a formula.

    >>> print(in_ascii("derivative of σ²"))
    derivative of \(\sigma\)\(^2\)
    """
    return latex.translate({ord(letter): rf"\({command}\)" for letter, command in _SIGNS.items()})


def split_name(name: str) -> tuple[str, list[str], list[str]]:
    """A name's letter, accents and subscripts.

    >>> split_name("y_hat"), split_name("w_1"), split_name("w1"), split_name("m_hat_t")
    (('y', ['hat'], []), ('w', [], ['1']), ('w', [], ['1']), ('m', ['hat'], ['t']))
    """
    base, *scripts = re.sub(r"^([^\W\d_]+)(\d+)", r"\1_\2", name).strip("_").split("_")
    return base, [each for each in scripts if each in ACCENTS], [each for each in scripts if each not in ACCENTS]


class Latex(Notation):
    """LaTeX, in the strict form that `prove` reads."""

    inline, column, space = FRACTION, 0, r" \, "

    def _word(self, name: str) -> str:
        if name in _LETTERS or name in _SIGNS:
            return _SIGNS.get(name, f"\\{name}")
        return name if len(name) == 1 or name.isdigit() else f"\\text{{{_escaped(name)}}}"

    def symbol(self, name: str, bold: bool = False) -> str:
        base, accents, scripts = split_name(name)
        text = self._word(base)
        if bold:
            text = f"\\boldsymbol{{{text}}}" if base in _LETTERS else f"\\mathbf{{{text}}}"
        for accent in accents:
            text = f"\\{accent}{{{text}}}"
        return self.subscripted(text, ",".join(map(self._word, scripts))) if scripts else text

    def subscripted(self, base: str, subscript: str) -> str:
        return f"{base}_{subscript}" if len(subscript) == 1 else f"{base}_{{{subscript}}}"

    def function(self, name: str) -> str:
        if name in _COMMANDS:
            return f"\\{name}"
        base = split_name(name)[0]
        return self.symbol(name) if len(base) == 1 or base in _LETTERS else f"\\operatorname{{{_escaped(name)}}}"

    def bracketed(self, text: str, kind: str = "()") -> str:
        opening, closing = ("\\{", "\\}") if kind == "{}" else (kind[0], kind[1])
        tall = any(command in text for command in ("\\frac", "\\sum", "\\prod", "\\int", "\\begin", "\\left"))
        return f"\\left{opening}{text}\\right{closing}" if tall else f"{opening}{text}{closing}"

    def fraction(self, top: Piece, bottom: Piece) -> Piece:
        return Piece(f"\\frac{{{top.text}}}{{{bottom.text}}}", FRACTION)

    def raised(self, base: str, exponent: Piece) -> str:
        return f"{base}^{exponent.text}" if len(exponent.text) == 1 else f"{base}^{{{exponent.text}}}"

    def exponential(self, exponent: Piece) -> Piece:
        return Piece(self.raised("e", exponent), POWER)

    def root(self, body: Piece) -> Piece:
        return Piece(f"\\sqrt{{{body.text}}}")

    def times(self, left: Piece, right: Piece) -> str:
        coefficient = _is_number(left.text) and left.text != "1"
        # A letter before a bracket could be read as a function of what is in it.
        unclear = ("(", "\\left") if not coefficient else ()
        clear = not right.text.startswith((*unclear, *"0123456789", "\\frac")) and left.text != "1"
        return " " if clear else r" \cdot "

    def big(self, kind: str, lower: str, upper: str) -> str:
        sign = _BIG[kind][0]
        return self.raised(self.subscripted(sign, lower), Piece(upper)) if upper else self.subscripted(sign, lower)

    def evaluated(self, body: Piece, where: str) -> str:
        return f"\\left. {body.text} \\right|_{{{where}}}"

    def cases(self, rows: Sequence[tuple[str, str | None]]) -> str:
        lines = [value + " & " + (r"\text{otherwise}" if when is None else when) for value, when in rows]
        return r"\begin{cases} " + r" \\ ".join(lines) + r" \end{cases}"


_SUPERSCRIPTS = str.maketrans(
    "0123456789+-abcdefghijklmnoprstuvwxyzABDEGHIJKLMNOPRTUVW",
    "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻ᵃᵇᶜᵈᵉᶠᵍʰⁱʲᵏˡᵐⁿᵒᵖʳˢᵗᵘᵛʷˣʸᶻᴬᴮᴰᴱᴳᴴᴵᴶᴷᴸᴹᴺᴼᴾᴿᵀᵁⱽᵂ",
)
_SUBSCRIPTS = str.maketrans("0123456789+-=aehijklmnoprstuvx", "₀₁₂₃₄₅₆₇₈₉₊₋₌ₐₑₕᵢⱼₖₗₘₙₒₚᵣₛₜᵤᵥₓ")
_LONGEST_SUPERSCRIPT, _LONGEST_EXPONENT = 6, 12


class Unicode(Notation):
    """One line for a terminal: σ(x)·(1 - σ(x)), e⁻ˣ/(1 + e⁻ˣ)², ∂L/∂zᵢ."""

    inline, column, space = POWER, 1, " "

    def _word(self, name: str) -> str:
        return _LETTERS.get(name, name)

    def symbol(self, name: str, bold: bool = False) -> str:
        base, accents, scripts = split_name(name)
        marks = "".join(ACCENTS[accent] for accent in accents)
        text = unicodedata.normalize("NFC", self._word(base) + marks)
        return self.subscripted(text, ",".join(map(self._word, scripts))) if scripts else text

    def subscripted(self, base: str, subscript: str) -> str:
        small = _small(subscript, _SUBSCRIPTS)
        return base + small if small else f"{base}_{subscript}" if subscript.isalnum() else f"{base}[{subscript}]"

    def function(self, name: str) -> str:
        return self.symbol(name)

    def bracketed(self, text: str, kind: str = "()") -> str:
        return f"{kind[0]}{text}{kind[1]}"

    def fraction(self, top: Piece, bottom: Piece) -> Piece:
        return Piece(f"{self.at_least(top, PRODUCT)}/{self.at_least(bottom, POWER)}", FRACTION)

    def raised(self, base: str, exponent: Piece) -> str:
        small = _small(exponent.text, _SUPERSCRIPTS)
        if small and len(small) <= _LONGEST_SUPERSCRIPT:
            return base + small
        return f"{base}^{self.at_least(exponent, ATOM)}"

    def exponential(self, exponent: Piece) -> Piece:
        if len(exponent.text) > _LONGEST_EXPONENT:
            return Piece(f"exp({exponent.text})")
        return Piece(self.raised("e", exponent), POWER)

    def root(self, body: Piece) -> Piece:
        return Piece(f"√{self.at_least(body, ATOM)}")

    def times(self, left: Piece, right: Piece) -> str:
        letter = right.text[:1].isalpha() and not right.text[1:2].isalpha()
        coefficient = _is_number(left.text) and left.text != "1"
        return "" if coefficient and (letter or right.text.startswith("(")) else "·"

    def big(self, kind: str, lower: str, upper: str) -> str:
        below, above = _small(lower, _SUBSCRIPTS), _small(upper, _SUPERSCRIPTS)
        if below and (above or not upper):
            return f"{_BIG[kind][1]}{below}{above}"
        bounds = f"{lower}..{upper}" if upper else lower
        return f"{_BIG[kind][1]}[{bounds.replace(' ', '')}]"

    def evaluated(self, body: Piece, where: str) -> str:
        return f"{self.at_least(body, PRODUCT)} at {where}"

    def cases(self, rows: Sequence[tuple[str, str | None]]) -> str:
        return "{" + "; ".join(f"{value} {'otherwise' if when is None else f'if {when}'}" for value, when in rows) + "}"


def _small(text: str, table: dict[int, int]) -> str:
    """The text in small letters, or nothing where one of them has no such letter."""
    text = text.replace(" ", "")
    return text.translate(table) if all(ord(letter) in table for letter in text) else ""


def _is_number(text: str) -> bool:
    return text.replace(".", "", 1).isdigit()


def _escaped(name: str) -> str:
    """A word for LaTeX: what is special there has a backslash before it."""
    return "".join(f"\\{letter}" if letter in "#$%&_{}" else letter for letter in name if letter not in "\\^~")
