"""How a derivation is written: line by line, each by a rule; the judge reads it when it is done."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import sympy as sp
from sympy.printing.precedence import PRECEDENCE
from sympy.printing.str import StrPrinter

from torchstone.definitions.calculus import RULES, D, apply, inner, outer, sift
from torchstone.derive.algebra import IDENTITIES, extended, place, renamed
from torchstone.derive.derivation import Chain, Derivation, Step
from torchstone.derive.meaning import Meaning
from torchstone.judge import Verdict

# Rules that leave derivatives of parts behind come one at a time; the others finish a part, wherever it stands.
_STRUCTURAL = ("sum", "sum over classes", "piecewise", "factor", "quotient", "product")
_SILENT = ("constant", "linear", "unknown function")


class _Words(StrPrinter):
    """Writes a sum as Σ_j."""

    def _print_Sum(self, expr: sp.Sum) -> str:
        return f"Σ_{expr.limits[0][0]} {self.parenthesize(expr.function, PRECEDENCE['Mul'])}"


def words(expression: sp.Basic) -> str:
    """An expression inside of a sentence; a component is x_j."""
    plain = {each: sp.Symbol(f"{each.base}_{each.indices[0]}") for each in expression.atoms(sp.Indexed)}
    return str(_Words().doprint(expression.xreplace(plain)))


@dataclass
class Lines:
    """A chain while it is written. `expression` is its last line."""

    heading: str
    left: sp.Basic | None
    where: tuple[sp.Basic, ...] = ()  # what holds in this chain alone, and is stated: Eq(weight, 1)
    known: tuple[sp.Basic, ...] = ()  # what its own lines and those above say
    rests_on: "tuple[Lines, ...]" = ()  # the chains that prove a line "induction": the first case, and the next one
    steps: list[Step] = field(default_factory=list)

    @property
    def expression(self) -> sp.Basic:
        """The last line; before the first, what is derived."""
        return self.steps[-1].expression if self.steps else self.left

    def then(self, expression: sp.Basic, rule: str, because: str = "") -> "Lines":
        """Write a line, unless it says the same as the last one."""
        if expression != self.expression:
            self.steps.append(Step(expression, rule, because))
        return self

    def by(self, identity: str, because: str = "") -> "Lines":
        """Write the line that a named identity gives."""
        known = IDENTITIES[identity]
        return self.then(known(self.expression), identity, because or known.mathematics)

    def extend(self, by: sp.Expr) -> "Lines":
        """Multiply top and bottom of the fraction by the same, and multiply out."""
        shown, multiplied = extended(self.expression, by)
        self.then(shown, "extend the fraction", f"top and bottom times {words(by)}")
        return self.then(multiplied, "exponentials", IDENTITIES["exponentials"].mathematics)

    def substitute(self, values: Mapping[sp.Basic, sp.Basic], because: str = "", rule: str = "substitution") -> "Lines":
        """Put values in, as they are."""
        because = because or ", ".join(f"{words(old)} = {words(new)}" for old, new in values.items())
        return self.then(place(self.expression, values), rule, because)

    def recognise(self, *pairs: tuple[sp.Expr, sp.Expr]) -> "Lines":
        """Write names for what they stand for: pairs (expression, name)."""
        result = self.expression
        for pattern, name in pairs:
            result = renamed(result, pattern, name)
        return self.then(result, "recognise", ", ".join(f"{words(name)} = {words(what)}" for what, name in pairs))

    def differentiate(self, known: Mapping[sp.Derivative, sp.Expr] | None = None) -> "Lines":
        """Apply the rules until no derivative is left: one rule a line, to all places at the same depth.

        `known` holds derivatives that were found before, of functions that have only a name.
        """
        while pending := _pending(self.expression):
            self._one_rule(pending)
        if known:
            self.then(self.expression.xreplace(dict(known)), "substitution", "the derivative from above")
        return self.sift()

    def sift(self) -> "Lines":
        """Let every δ_jk in a sum over j pick the one with j = k."""
        result = self.expression.replace(lambda each: isinstance(each, sp.Sum), sift)
        return self.then(result, "sum over classes", "only the one with equal indices is not 0")

    def _one_rule(self, pending: list[D]) -> None:
        names = {d: apply(d)[0] for d in pending}
        chosen = next((names[d] for d in pending if names[d] in _STRUCTURAL), None)
        taken = [d for d in pending if chosen is None or names[d] == chosen or _is_trivial(d)]
        becomes = {d: _tidied(apply(d)[1]) if chosen else apply(d)[1] for d in taken}
        rules = [name for name in RULES if any(names[d] == name for d in taken)]
        telling = [name for name in rules if name not in _SILENT] or [name for name in rules if name != "constant"]
        because = "; ".join(dict.fromkeys(filter(None, (_because(names[d], d) for d in taken))))
        used = [chosen] if chosen else telling or ["constant"]
        because = because or "; ".join(RULES[name].mathematics for name in used)
        self.then(self.expression.xreplace(becomes), ", ".join(used), because)

    def equation(self, left: sp.Expr, right: sp.Expr, rule: str, because: str = "") -> "Lines":
        """Write an equation on a line of its own."""
        return self.then(sp.Eq(left, right, evaluate=False), rule, because)


def _pending(expression: sp.Basic) -> list[D]:
    """The derivatives in an expression, from left to right."""
    return list(dict.fromkeys(each for each in sp.preorder_traversal(expression) if isinstance(each, D)))


def _is_trivial(d: D) -> bool:
    return d.variable == d.expr or apply(d)[0] == "constant"


def _tidied(expression: sp.Expr) -> sp.Expr:
    """Constants have the derivative 0, and factors come out: not worth a line of their own."""
    if isinstance(expression, sp.Add | sp.Sum | sp.Piecewise):
        values = {}
        for d in _pending(expression):
            name, value = apply(d)
            if name in ("constant", "factor"):
                values[d] = value
        return expression.xreplace(values)
    return expression


def _because(rule: str, d: D) -> str:
    """What a rule was applied to, in a few words."""
    if rule == "chain":
        u = sp.Symbol("u", real=True)
        if u in d.expr.free_symbols:
            u = sp.Symbol("v", real=True)
        outside = outer(d)
        assert outside is not None
        return f"outer {words(outside.expr.xreplace({outside.variable: u}))}, inner {u} = {words(inner(d))}"
    if rule == "quotient":
        f, g = sp.fraction(d.expr, exact=True)
        return f"f = {words(f)}, g = {words(g)}"
    return ""


@dataclass
class Writing:
    """A derivation while it is written."""

    name: str
    title: str
    given: list[sp.Basic] = field(default_factory=list)
    domains: dict[sp.Basic, sp.Set] = field(default_factory=dict)
    references: Iterable[str] = ()
    chains: list[Lines] = field(default_factory=list)

    def define(self, left: sp.Basic, right: sp.Basic) -> sp.Basic:
        """State what a name stands for, and give the name."""
        self.given.append(sp.Eq(left, right, evaluate=False))
        return left

    def chain(
        self,
        heading: str,
        left: sp.Basic | None = None,
        where: Iterable[sp.Basic] = (),
        known: Iterable[sp.Basic] = (),
        rests_on: tuple[Lines, ...] = (),
    ) -> Lines:
        """Begin a chain: from `left`, or of equations."""
        self.chains.append(Lines(heading, left, tuple(where), tuple(known), rests_on))
        return self.chains[-1]

    def symbols(self) -> set[sp.Basic]:
        """The symbols and vectors that occur."""
        lines = [step.expression for chain in self.chains for step in chain.steps]
        lefts = [chain.left for chain in self.chains if chain.left is not None]
        return set().union(*(each.atoms(sp.Symbol, sp.IndexedBase) for each in (*self.given, *lefts, *lines)))

    def done(self) -> Derivation:
        """The derivation, with the judge's verdict on every line."""
        done: dict[int, Chain] = {}
        for lines in self.chains:
            before = [done[id(each)] for each in lines.rests_on]
            done[id(lines)] = _judged(lines, Meaning([*self.given, *lines.where, *lines.known], self.domains), before)
        return Derivation(
            name=self.name,
            title=self.title,
            chains=tuple(done.values()),
            given=tuple(self.given),
            domains=tuple((symbol, domain) for symbol, domain in self.domains.items() if symbol in self.symbols()),
            references=tuple(self.references),
        )


def _judged(lines: Lines, meaning: Meaning, rests_on: Iterable[Chain]) -> Chain:
    steps: list[Step] = []
    before = lines.left
    for step in lines.steps:
        if step.rule in ("given", "convention"):
            verdict = None
        elif step.rule == "induction":
            verdict = _by_induction(rests_on)
        elif before is None:
            verdict = meaning.of_equation(step.expression)
        else:
            verdict = meaning.verdict(before, step.expression)
        steps.append(Step(step.expression, step.rule, step.because, verdict))
        before = None if lines.left is None else step.expression
    return Chain(lines.heading, lines.left, tuple(steps), lines.where)


def _by_induction(cases: Iterable[Chain]) -> Verdict:
    outcomes = [step.verdict.outcome for chain in cases for step in chain.steps if step.verdict]
    if outcomes and all(outcome == "proven" for outcome in outcomes):
        return Verdict("proven", "by induction: the first step and the next one are proven")
    return Verdict("unknown", "by induction, from steps that are not all proven")
