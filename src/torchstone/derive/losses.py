"""The losses' gradients with respect to the prediction, in the form that their backwards are written in."""

from collections.abc import Callable, Mapping

import sympy as sp

from torchstone.definitions import Function
from torchstone.definitions.calculus import D
from torchstone.derive.kinks import flat, write_joints, write_kinks
from torchstone.derive.shared import IS_A_CLASS, SIGMOID, C, define_sigmoid, k, p, sigma, t, x
from torchstone.derive.writing import Lines, Writing

L = sp.Symbol("L", real=True)


def _begin(writing: Writing, function: Function, expression: sp.Expr, heading: str = "The gradient") -> Lines:
    """State what the loss is, and begin the chain from its derivative with respect to the prediction."""
    entry = function.prediction
    variable = entry.symbol[k] if entry.is_vector else entry.symbol
    writing.define(L, expression)
    return writing.chain(heading, D(L, variable)).then(D(expression, variable), "definition", f"of {function.name}")


def _smooth(writing: Writing, function: Function) -> None:
    _begin(writing, function, function.expression).differentiate().by("factor")


def _with_kinks(writing: Writing, function: Function) -> None:
    lines = _begin(writing, function, function.expression, "Between the kinks").differentiate()
    write_kinks(writing, function, lines)


def smooth_l1(writing: Writing, function: Function) -> None:
    """(x - t)/beta within beta of the target, and a sign beyond; a kink only where beta is 0."""
    lines = _begin(writing, function, function.expression, "Between the kinks").differentiate()
    write_kinks(writing, function, lines, {function.by_name["beta"].symbol: sp.S.Zero})


def huber(writing: Writing, function: Function) -> None:
    """x - t within delta of the target, and delta or -delta beyond: no kink where they meet."""
    lines = _begin(writing, function, function.expression).differentiate()
    write_joints(writing, function, lines)
    writing.chain("The gradient, everywhere", lines.left).then(lines.expression, "substitution", "from above")


def _branches(writing: Writing, function: Function) -> None:
    _begin(writing, function, function.expression).differentiate()


def kl_div(writing: Writing, function: Function) -> None:
    """-t."""
    lines = _begin(writing, function, function.expression).differentiate()
    lines.then(-function.by_name["t"].symbol, "merge the branches", "-t is 0 where t is 0")


def bce(writing: Writing, function: Function) -> None:
    """(p - t)/(p (1 - p)) between the floors of the logarithms, and what is chosen beyond."""
    w = function.by_name["weight"].symbol
    floor = sp.exp(-100)
    writing.domains[p] = sp.Interval.open(floor, 1 - floor)
    expression = -w * (t * sp.log(p) + (1 - t) * sp.log(1 - p))
    lines = _begin(writing, function, expression, "Where no logarithm is floored")
    lines.differentiate().by("common denominator").by("collect the numerator")
    final = writing.chain("The gradient", lines.left).then(
        lines.expression, "substitution", "the derivative from above"
    )
    final.then(
        flat(function.gradient()), "convention", "; ".join(f"{c.point}: {c.choice}" for c in function.conventions)
    )


def bce_with_logits(writing: Writing, function: Function) -> None:
    """σ(x) - t."""
    define_sigmoid(writing)
    w, positive = (function.by_name[name].symbol for name in ("weight", "pos_weight"))
    lines = _begin(writing, function, function.expression, "With weights").differentiate()
    right, left = sp.exp(x) / (1 + sp.exp(x)), sp.exp(-x) / (1 + sp.exp(-x))
    lines.then(
        lines.expression.subs({right: SIGMOID, left: 1 - SIGMOID}),
        "extend the fraction",
        f"{right} = {SIGMOID}, top and bottom times exp(-x); {left} = 1 - {SIGMOID}",
    )
    lines.recognise((SIGMOID, sigma(x)))
    ones = {w: sp.S.One, positive: sp.S.One}
    where = [sp.Eq(symbol, 1, evaluate=False) for symbol in ones]
    plain = writing.chain("Without weights", lines.left, where).then(lines.expression, "substitution", "from above")
    plain.substitute(ones).by("arithmetic").by("expand")


def cross_entropy(writing: Writing, function: Function) -> None:
    """p - t, for a target that sums to one."""
    row, target, weight = (function.by_name[name].symbol for name in ("x", "t", "weight"))
    smoothing = function.by_name["label_smoothing"].symbol
    share, smoothed = sp.IndexedBase("p"), sp.IndexedBase("s")
    c = function.expression.limits[0][0]
    total = next(each for each in function.expression.atoms(sp.Sum) if each.function == sp.exp(row[each.variables[0]]))
    writing.define(share[c], sp.exp(row[c]) / total)
    writing.define(smoothed[c], (1 - smoothing) * target[c] + smoothing / C)
    writing.given.append(IS_A_CLASS)
    writing.given.append(sp.Eq(sp.Sum(target[c], (c, 0, C - 1)), 1, evaluate=False))
    expression = function.expression.xreplace({(1 - smoothing) * target[c] + smoothing / C: smoothed[c]})
    lines = _begin(writing, function, expression, "With weights and smoothing").differentiate()
    lines.recognise((sp.exp(row[k]) / total, share[k])).by("split the sum").sift()
    ones = [sp.Eq(weight[c], 1, evaluate=False), sp.Eq(smoothing, 0, evaluate=False)]
    plain = writing.chain("Without weights and smoothing", lines.left, ones)
    plain.then(lines.expression, "substitution", "the gradient from above")
    values = {weight[c]: sp.S.One, weight[k]: sp.S.One, smoothed[c]: target[c], smoothed[k]: target[k]}
    plain.substitute(values, "weight = 1, label_smoothing = 0").by("arithmetic")
    plain.substitute({sp.Sum(target[c], (c, 0, C - 1)): sp.S.One}, "the target sums to one").by("arithmetic")


SCRIPTS: Mapping[str, Callable[[Writing, Function], None]] = {
    "l1": _with_kinks,
    "mse": _smooth,
    "bce": bce,
    "bce_with_logits": bce_with_logits,
    "cross_entropy": cross_entropy,
    "cross_entropy_probabilities": cross_entropy,
    "nll": _branches,
    "kl_div": kl_div,
    "huber": huber,
    "smooth_l1": smooth_l1,
}
