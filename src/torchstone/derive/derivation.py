"""What a derivation is: chains of steps, each with its rule and its verdict."""

from dataclasses import dataclass

import sympy as sp

from torchstone.judge import Verdict


@dataclass(frozen=True)
class Step:
    """One line. `expression` follows from the line above by `rule`; an equation stands on a line of its own."""

    expression: sp.Basic
    rule: str  # a rule's name: "quotient", "chain", "definition", "substitution", "solve for", ...
    because: str = ""  # what the rule was applied to, in a few plain words: "outer exp(u), inner u = -x"
    verdict: Verdict | None = None  # None for a line that states what is given


@dataclass(frozen=True)
class Chain:
    """Lines from a beginning to a result. `left` is what is derived; None where every line is an equation."""

    heading: str
    left: sp.Basic | None
    steps: tuple[Step, ...]
    given: tuple[sp.Basic, ...] = ()  # what holds in this chain alone: Eq(weight, 1)

    @property
    def result(self) -> sp.Basic:
        """The last line's expression."""
        return self.steps[-1].expression


@dataclass(frozen=True)
class Derivation:
    """A derivation under a name. Shows itself in a notebook; `print` shows it in a terminal."""

    name: str
    title: str
    chains: tuple[Chain, ...]
    given: tuple[sp.Basic, ...] = ()  # definitions it starts from: Eq(sigma(x), 1/(1 + exp(-x)))
    domains: tuple[tuple[sp.Basic, sp.Set], ...] = ()  # what was assumed of symbols beyond being real
    references: tuple[str, ...] = ()

    @property
    def steps(self) -> tuple[Step, ...]:
        """The steps of all chains."""
        return tuple(step for chain in self.chains for step in chain.steps)

    @property
    def proven(self) -> bool:
        """Whether every step is proven."""
        return all(step.verdict is None or step.verdict.outcome == "proven" for step in self.steps)

    @property
    def result(self) -> sp.Basic:
        """The last chain's result."""
        return self.chains[-1].result

    def to_text(self) -> str:
        """Unicode, as in a terminal."""
        return self._shown("text")

    def to_latex(self) -> str:
        """LaTeX, with `align*` environments."""
        return self._shown("latex")

    def to_markdown(self) -> str:
        """Markdown with display math."""
        return self._shown("markdown")

    def to_html(self) -> str:
        """One self-contained page with MathML: no scripts."""
        return self._shown("html")

    def to_json(self) -> str:
        """The steps as data."""
        return self._shown("json")

    def _shown(self, form: str) -> str:
        from torchstone.report import derivation

        shown: str = getattr(derivation, form)(self)
        return shown

    def __str__(self) -> str:
        return self.to_text()

    def _repr_html_(self) -> str:
        return self._shown("notebook")

    def _repr_latex_(self) -> str:
        return self.to_latex()
