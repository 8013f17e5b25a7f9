"""What an optimizer's buffers hold: recurrences written out, and Adam's bias correction."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import sympy as sp

from torchstone.definitions import UpdateRule
from torchstone.derive.meaning import E
from torchstone.derive.writing import Writing

g = sp.IndexedBase("g")
i = sp.Symbol("i", integer=True, positive=True)
n = sp.Symbol("n", integer=True, positive=True)  # the step up to which a sum is proven, before the next one
t = sp.Symbol("t", integer=True, positive=True)


@dataclass(frozen=True)
class Buffer:
    """A variable that an update rule keeps, what it starts from, and what it is after so many steps."""

    symbol: sp.Symbol
    start: sp.Expr
    closed: Callable[[sp.Expr], sp.Expr]
    because: str  # how the sum takes up the new gradient

    @property
    def name(self) -> sp.IndexedBase:
        """The variable as a sequence: m[1], m[2], ..."""
        return sp.IndexedBase(self.symbol.name)


def average(symbol: sp.Symbol, decay: sp.Symbol, weight: sp.Expr, power: int = 1) -> Buffer:
    """A buffer that is weight * sum of decay^(t - i) g_i^power."""

    def closed(last: sp.Expr) -> sp.Expr:
        return weight * sp.Sum(decay ** (last - i) * g[i] ** power, (i, 1, last))

    return Buffer(symbol, sp.S.Zero, closed, f"{decay} goes into it, and the new gradient is its last term")


def recurrence(rule: UpdateRule, state: sp.Symbol, settings: Mapping[sp.Symbol, sp.Basic]) -> sp.Expr:
    """An update rule's new value of a state variable, with switches and other hyper-parameters set."""
    values: dict[sp.Basic, sp.Basic] = {}
    for left, right in rule.equations:
        new = right.subs(settings).xreplace(values)
        if left == state:
            return new
        values[left] = new
    raise ValueError(f"state: expected a variable that {rule.name} updates, got {state}")


def plain_settings(rule: UpdateRule) -> dict[sp.Symbol, sp.Basic]:
    """No weight decay, no dampening, no switch: what the textbook's rule has."""
    kept = ("lr", "beta1", "beta2", "eps", "momentum")
    return {entry.symbol: entry.default for entry in rule.hyper if entry.name not in kept} | {
        entry.symbol: sp.S.Zero for entry in rule.hyper if entry.name == "weight_decay"
    }


def unroll(writing: Writing, rule: UpdateRule, buffer: Buffer) -> sp.Expr:
    """Write the proof, by induction, of what a buffer is after t steps; give that."""
    name, symbol, closed = buffer.name, buffer.symbol, buffer.closed
    new = recurrence(rule, symbol, plain_settings(rule))

    def after(before: sp.Expr, step: sp.Expr) -> sp.Expr:
        return new.subs(rule.step, step).xreplace({symbol: before, rule.gradient: g[step]})

    one, following = sp.Integer(1), n + 1
    writing.chain(f"The update of {symbol}").equation(name[t], after(name[t - 1], t), "given", f"in {rule.title}")
    first = writing.chain(
        f"{symbol} after the first step", name[1], known=[sp.Eq(name[1], after(buffer.start, one), evaluate=False)]
    )
    first.then(after(buffer.start, one), "definition", f"{symbol} starts at {buffer.start}")
    first.then(closed(one), "sum", "of one term")
    step = sp.Eq(name[following], after(name[n], following), evaluate=False)
    hypothesis = sp.Eq(name[n], closed(n), evaluate=False)
    next_ = writing.chain(f"{symbol}: from one step to the next", name[following], known=[step, hypothesis])
    next_.then(after(name[n], following), "definition", f"the update of {symbol}")
    next_.then(after(closed(n), following), "substitution", "what is to be shown, after n steps")
    next_.then(closed(following), "sum", buffer.because)
    result = writing.chain(f"{symbol} after t steps", name[t], rests_on=(first, next_))
    result.then(closed(t), "induction", "it holds after the first step, and from each step to the next")
    return closed(t)


def gradient_descent(writing: Writing, rule: UpdateRule) -> None:
    """p_t = p_0 - lr times the sum of the gradients."""
    lr = next(entry.symbol for entry in rule.hyper if entry.name == "lr")
    start = sp.Symbol("p_0", real=True)

    def closed(last: sp.Expr) -> sp.Expr:
        return start - lr * sp.Sum(g[i], (i, 1, last))

    unroll(writing, rule, Buffer(rule.parameter, start, closed, "the new gradient is its last term"))


def momentum(writing: Writing, rule: UpdateRule) -> None:
    """b_t = sum of mu^(t - i) g_i."""
    rate = next(entry.symbol for entry in rule.hyper if entry.name == "momentum")
    writing.domains[rate] = sp.Interval.open(0, 1)
    unroll(writing, rule, average(rule.state[0].symbol, rate, sp.S.One))


def adam(writing: Writing, rule: UpdateRule) -> None:
    """E[m_hat] = E[g] and E[v_hat] = E[g²], for gradients with the same expectation at every step."""
    equations = {str(left): right for left, right in rule.equations}
    corrections = {left: right for left, right in rule.equations if str(left).startswith("correction")}
    for state, decay, power in (("m", "beta1", 1), ("v", "beta2", 2)):
        symbol, name = sp.Symbol(state, real=True), sp.IndexedBase(state)
        rate = next(entry.symbol for entry in rule.hyper if entry.name == decay)
        writing.domains[rate] = sp.Interval.open(0, 1)
        closed = unroll(writing, rule, average(symbol, rate, 1 - rate, power))
        known = [sp.Eq(name[t], closed, evaluate=False)]
        moment, terms = E(sp.Symbol("g", real=True) ** power), (i, 1, t)
        writing.define(E(g[i] ** power), moment)
        lines = writing.chain(f"The expectation of {state}", E(name[t]), known=known)
        lines.then(E(closed), "substitution", "the sum from above")
        lines.then((1 - rate) * sp.Sum(rate ** (t - i) * E(g[i] ** power), terms), "expectation", "it is linear")
        lines.then(
            (1 - rate) * moment * sp.Sum(rate ** (t - i), terms), "stationary", "the same expectation at every step"
        )
        total = sp.Mul(1 - rate**t, sp.Pow(1 - rate, -1), evaluate=False)
        lines.then(
            sp.Mul(1 - rate, moment, total, evaluate=False),
            "geometric sum",
            "1 + b + ... + b^(t-1) = (1 - b^t)/(1 - b)",
        )
        lines.then(moment * (1 - rate**t), "cancel", "(a c)/(b c) = a/b")
        corrected = equations[f"{state}_hat"].subs({**plain_settings(rule), **corrections}).subs(symbol, name[t])
        final = writing.chain(f"The expectation of {state}_hat", E(corrected), known=known)
        final.then(corrected.subs(name[t], E(name[t])), "expectation", "it is linear")
        final.substitute({E(name[t]): lines.expression}, "from above").by("cancel")


SCRIPTS: Mapping[str, Callable[[Writing, UpdateRule], None]] = {
    "gradient_descent": gradient_descent,
    "sgd": momentum,
    "momentum": momentum,
    "adam": adam,
    "adamw": adam,
}
