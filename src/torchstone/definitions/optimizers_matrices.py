"""Update rules in products: Muon, of matrices, and L-BFGS, of all parameters as one vector."""

import sympy as sp

from torchstone.definitions.core import Convention, Hyper, Lines, Reference, State, UpdateRule
from torchstone.definitions.optimizers_common import (
    DECOUPLED_DECAY,
    GIVEN,
    NOT_NEGATIVE,
    PLAIN_PARAMETER,
    POSITIVE,
    SWITCH,
    b,
    choose,
    decayed,
    eps,
    g,
    lr,
    momentum,
    p,
    rate,
    slope,
    small,
    weight_decay,
)
from torchstone.definitions.tensors import COLUMNS, ROWS, MatrixProduct, Total, Transposed, larger, smaller

_STEPS = 5
nesterov = sp.Symbol("nesterov")
u, ratio = sp.symbols("u ratio", real=True)
a1, a3, a5 = sp.symbols("a1 a3 a5", real=True)  # of the polynomial a1 x + a3 x^3 + a5 x^5
X = sp.symbols(f"X:{_STEPS + 1}", real=True)
A = sp.symbols(f"A:{_STEPS}", real=True)


def _newton_schulz() -> Lines:
    """X[0], of norm 1, towards the orthogonal matrix that is nearest: all singular values towards 1."""
    lines: list[tuple[sp.Symbol, sp.Expr]] = [(X[0], u / larger(sp.sqrt(Total(u**2)), eps))]
    for n in range(_STEPS):
        lines.append((A[n], MatrixProduct(X[n], Transposed(X[n]))))
        lines.append((X[n + 1], _quintic(n, a1, a3, a5)))
    return tuple(lines)


def _quintic(n: int, first: sp.Expr, third: sp.Expr, fifth: sp.Expr) -> sp.Expr:
    return first * X[n] + MatrixProduct(third * A[n] + fifth * MatrixProduct(A[n], A[n]), X[n])


_LAST = X[_STEPS]
MUON = UpdateRule(
    name="muon",
    title="Muon",
    **GIVEN,
    state=(State(b, key="momentum_buffer"),),
    hyper=(
        rate(3),
        Hyper(weight_decay, sp.Rational(1, 10), NOT_NEGATIVE),
        Hyper(momentum, sp.Rational(95, 100), sp.Interval.Ropen(0, 1)),
        Hyper(nesterov, sp.true, SWITCH),
        Hyper(a1, sp.Rational(34445, 10000), sp.S.Reals, "ns_coefficients[0]"),
        Hyper(a3, sp.Rational(-47750, 10000), sp.S.Reals, "ns_coefficients[1]"),
        Hyper(a5, sp.Rational(20315, 10000), sp.S.Reals, "ns_coefficients[2]"),
        small(7),
    ),
    settings={"ns_steps": _STEPS, "adjust_lr_fn": "original"},
    dimensions=2,
    precision=0.1,
    equations=(
        (slope, g),
        (b, momentum * b + (1 - momentum) * slope),
        (u, choose(nesterov, (1 - momentum) * slope + momentum * b, b)),
        *_newton_schulz(),
        (ratio, sp.sqrt(larger(1, ROWS / COLUMNS))),
        DECOUPLED_DECAY,
        (p, decayed - lr * ratio * _LAST),
    ),
    counterpart="torch.optim.Muon",
    conventions=(
        Convention(
            "the learning rate",
            "times sqrt(max(1, rows / columns))",
            "times 0.2 sqrt(max(rows, columns)) (Moonshot; PyTorch's match_rms_adamw); as it is (the post)",
        ),
        Convention("the buffer", "a moving average", "a sum (the post): the iteration undoes what tells them apart"),
        Convention("the iteration", "exact here", "in bfloat16 (PyTorch, the post): right to some percent of the step"),
        Convention("weight decay", "decoupled", "none (the post)"),
    ),
    variants={
        "the learning rate matched to AdamW's: Moonshot": (
            (ratio, sp.Rational(2, 10) * sp.sqrt(larger(ROWS, COLUMNS))),
        ),
        "the learning rate times sqrt(rows / columns): Modula": ((ratio, sp.sqrt(ROWS / COLUMNS)),),
        "the learning rate as it is, whatever the shape: the post": ((ratio, sp.S.One),),
        "the learning rate adjusted with rows and columns swapped": ((ratio, sp.sqrt(larger(1, COLUMNS / ROWS))),),
        "not orthogonalised": ((_LAST, X[0]),),
        "one iteration less": ((_LAST, X[_STEPS - 1]),),
        "the term of third order lost": ((_LAST, _quintic(_STEPS - 1, a1, sp.S.Zero, a5)),),
        "the classical coefficients 3/2 and -1/2": tuple(
            (X[n + 1], _quintic(n, sp.Rational(3, 2), -sp.Rational(1, 2), sp.S.Zero)) for n in range(_STEPS)
        ),
        "Nesterov ignored": ((u, b),),
        "Nesterov's gradient not multiplied by 1 - momentum": ((u, choose(nesterov, slope + momentum * b, b)),),
        "momentum ignored": ((u, slope),),
        "weight decay ignored": (PLAIN_PARAMETER,),
        "weight decay coupled: added to the gradient": ((slope, g + weight_decay * p), PLAIN_PARAMETER),
        "weight decay not multiplied by the learning rate": ((decayed, p - weight_decay * p),),
        "weight decay multiplied by the adjusted learning rate": ((decayed, p - lr * ratio * weight_decay * p),),
        "the step's sign wrong": ((p, decayed + lr * ratio * _LAST),),
    },
    accepted=(
        "the learning rate matched to AdamW's: Moonshot",
        "the learning rate times sqrt(rows / columns): Modula",
        "the learning rate as it is, whatever the shape: the post",
    ),
    references=(
        Reference("K. Jordan et al., Muon: An optimizer for hidden layers in neural networks, 2024"),
        Reference("J. Liu et al., Muon is Scalable for LLM Training, 2025", "Section 2"),
    ),
    derivable=False,
)

n, scale, length, before = sp.symbols("n scale length before", real=True)
y, s, size, curvature, kept, direction = sp.symbols("y s size curvature kept d", real=True)
y1, s1, y2, s2, c1, c2 = sp.symbols("y1 s1 y2 s2 c1 c2", real=True)
q0, q1, q2, r0, r1, r2 = sp.symbols("q0 q1 q2 r0 r1 r2", real=True)
alpha1, alpha2 = sp.symbols("alpha1 alpha2", real=True)


def _where(condition: sp.Basic, yes: sp.Expr, no: sp.Expr = sp.S.Zero) -> sp.Expr:
    return sp.Piecewise((yes, condition), (no, True))


_MOVES, _KEPT = size > 0, sp.Eq(kept, 1)
_FIRST = sp.Eq(n, 0)


def _pair_kept(condition: sp.Basic) -> sp.Expr:
    return _where(_MOVES & (n > 0) & condition, sp.S.One)


LBFGS = UpdateRule(
    name="lbfgs",
    title="L-BFGS, one iteration a step",
    **GIVEN,
    state=(
        State(n, key="n_iter"),
        State(direction, key="d"),
        State(length, key="t"),
        State(before, key="prev_flat_grad"),
        State(scale, sp.S.One, key="H_diag"),
        State(y1, key="old_dirs[-1]"),
        State(s1, key="old_stps[-1]"),
        State(y2, key="old_dirs[-2]"),
        State(s2, key="old_stps[-2]"),
    ),
    hyper=(Hyper(lr, sp.S.One, POSITIVE),),
    settings={
        "max_iter": 1,
        "history_size": 2,
        "tolerance_grad": 0.0,
        "tolerance_change": 0.0,
        "line_search_fn": None,
    },
    joint=True,
    equations=(
        (size, Total(sp.Abs(g))),
        (y, g - before),
        (s, length * direction),
        (curvature, Total(y * s)),
        (kept, _pair_kept(curvature > sp.Rational(1, 10**10))),
        (y2, _where(_KEPT, y1, y2)),
        (s2, _where(_KEPT, s1, s2)),
        (y1, _where(_KEPT, y, y1)),
        (s1, _where(_KEPT, s, s1)),
        (scale, _where(_KEPT, curvature / Total(y**2), scale)),
        (c1, Total(y1 * s1)),
        (c2, Total(y2 * s2)),
        (q0, -g),
        (alpha1, _where(sp.Ne(c1, 0), Total(s1 * q0) / c1)),
        (q1, q0 - alpha1 * y1),
        (alpha2, _where(sp.Ne(c2, 0), Total(s2 * q1) / c2)),
        (q2, q1 - alpha2 * y2),
        (r0, scale * q2),
        (r1, r0 + (alpha2 - _where(sp.Ne(c2, 0), Total(y2 * r0) / c2)) * s2),
        (r2, r1 + (alpha1 - _where(sp.Ne(c1, 0), Total(y1 * r1) / c1)) * s1),
        (direction, _where(_MOVES, r2, direction)),
        (length, _where(_MOVES, _where(_FIRST, lr * smaller(1, 1 / size), lr), length)),
        (before, _where(_MOVES, g, before)),
        (n, n + _where(_MOVES, sp.S.One)),
        (p, p + _where(_MOVES, length * direction)),
    ),
    counterpart="torch.optim.LBFGS",
    conventions=(
        Convention("the first step", "lr, or lr over the gradient's 1-norm where that is above 1", "a line search"),
        Convention("the length of a step", "lr", "a line search with Wolfe's conditions (line_search_fn)"),
        Convention("a pair is kept", "where its curvature is above 1e-10", "where it is above 0"),
        Convention("the first matrix", "s.y / y.y of the newest pair", "the identity"),
    ),
    variants={
        "only the newest pair used": ((alpha2, sp.S.Zero), (r1, r0)),
        "pairs kept whatever their curvature": ((kept, _pair_kept(sp.Ne(curvature, 0))),),
        "the first matrix always the identity": ((scale, sp.S.One),),
        "the first matrix upside down": ((scale, _where(_KEPT, Total(y**2) / curvature, scale)),),
        "the first matrix as s.s / s.y": ((scale, _where(_KEPT, Total(s**2) / curvature, scale)),),
        "the first step not shortened": ((length, _where(_MOVES, lr, length)),),
        "the first step shortened by the 2-norm": (
            (length, _where(_MOVES, _where(_FIRST, lr * smaller(1, 1 / sp.sqrt(Total(g**2))), lr), length)),
        ),
        "every step shortened as the first": ((length, _where(_MOVES, lr * smaller(1, 1 / size), length)),),
        "the length of the step left out of s": ((s, direction),),
        "the second loop left out": ((r1, r0), (r2, r1)),
        "the second loop's correction added": (
            (r1, r0 + (alpha2 + _where(sp.Ne(c2, 0), Total(y2 * r0) / c2)) * s2),
            (r2, r1 + (alpha1 + _where(sp.Ne(c1, 0), Total(y1 * r1) / c1)) * s1),
        ),
        "gradient descent: no history": ((r2, q0),),
        "the step's sign wrong": ((p, p - _where(_MOVES, length * direction)),),
    },
    references=(
        Reference("J. Nocedal, Updating Quasi-Newton Matrices with Limited Storage, Math. Comp. 35 (1980)", "p. 779"),
        Reference("D. Liu and J. Nocedal, On the Limited Memory BFGS Method, Math. Programming 45 (1989)"),
    ),
    aliases=("l_bfgs",),
    derivable=False,
)
