"""A step size of its own for each element: Adagrad, RMSprop, Adadelta."""

import sympy as sp

from torchstone.definitions.core import Convention, Hyper, Lines, Reference, State, UpdateRule
from torchstone.definitions.optimizers_common import (
    COUPLED_DECAY,
    COUPLED_SLIPS,
    DECAY,
    DESCEND,
    GIVEN,
    L2,
    MAXIMIZE,
    NOT_NEGATIVE,
    PLAIN_SLOPE,
    SHRINKING,
    SWITCH,
    at_first,
    b,
    choose,
    eps,
    lr,
    momentum,
    p,
    rate,
    signed,
    slope,
    small,
    step_slips,
    t,
    v,
)

lr_decay, initial, total, accumulated, new_rate, scale = sp.symbols(
    "lr_decay initial_accumulator_value total sum rate scale", real=True
)
_EPS_INSIDE = "eps inside the root, as in TensorFlow"

ADAGRAD = UpdateRule(
    name="adagrad",
    title="Adagrad",
    **GIVEN,
    state=(State(accumulated, initial, key="sum"),),
    hyper=(
        rate(2),
        Hyper(lr_decay, sp.S.Zero, NOT_NEGATIVE),
        DECAY,
        Hyper(initial, sp.S.Zero, NOT_NEGATIVE),
        small(10),
        MAXIMIZE,
    ),
    equations=(
        DESCEND,
        COUPLED_DECAY,
        (new_rate, lr / (1 + (t - 1) * lr_decay)),
        (total, accumulated + slope**2),
        (scale, sp.sqrt(total) + eps),
        (p, p - new_rate * slope / scale),
        (accumulated, total),
    ),
    counterpart="torch.optim.Adagrad",
    conventions=(
        Convention("eps", "outside the root", "inside it (TensorFlow, Keras)"),
        Convention("the first sum", "0, or initial_accumulator_value", "0.1 (TensorFlow, Keras)"),
        Convention("the state", "there from construction on", "made at the first step"),
    ),
    variants={
        **COUPLED_SLIPS,
        "the step's sign wrong": ((p, p + new_rate * slope / scale),),
        "the learning rate ignored": ((p, p - slope / scale),),
        "the learning rate divided by sqrt(t)": ((new_rate, lr / sp.sqrt(t)),),
        "lr_decay ignored": ((new_rate, lr),),
        "lr_decay with t, not t - 1": ((new_rate, lr / (1 + t * lr_decay)),),
        "lr_decay as a power: (1 - lr_decay)**(t - 1)": ((new_rate, lr * (1 - lr_decay) ** (t - 1)),),
        _EPS_INSIDE: ((scale, sp.sqrt(total + eps)),),
        "the square of eps inside the root": ((scale, sp.sqrt(total + eps**2)),),
        "eps left out": ((scale, sp.Piecewise((1, sp.Eq(total, 0)), (sp.sqrt(total), True))),),
        "eps added to the sum at every step": ((total, accumulated + slope**2 + eps),),
        "no root": ((scale, total + eps),),
        "the sum of sizes, not of squares": ((total, accumulated + sp.Abs(slope)),),
        "the sum of sizes, without a root": ((total, accumulated + sp.Abs(slope)), (scale, total + eps)),
        "the sum used before it takes up the gradient": ((scale, sp.sqrt(accumulated) + eps),),
        "the sum lost between steps": ((total, initial + slope**2),),
        "the mean in place of the sum": ((scale, sp.sqrt(total / t) + eps),),
        "initial_accumulator_value ignored": ((total, at_first(slope**2, accumulated + slope**2)),),
        "initial_accumulator_value as a root": ((total, at_first(initial**2 + slope**2, accumulated + slope**2)),),
        "weight decay decoupled": (PLAIN_SLOPE, (p, p - new_rate * slope / scale - SHRINKING)),
        "weight decay left out of the sum": ((total, accumulated + signed**2),),
    },
    accepted=(_EPS_INSIDE,),
    references=(
        Reference(
            "J. Duchi, E. Hazan and Y. Singer, Adaptive Subgradient Methods for Online Learning and Stochastic "
            "Optimization, JMLR 12 (2011)",
            "Figure 1, diagonal",
        ),
    ),
    derivable=False,
)

rho, moved, delta = sp.symbols("rho acc_delta delta", real=True)
_SQUARES, _DELTA = rho * v + (1 - rho) * slope**2, sp.sqrt(moved + eps) / sp.sqrt(v + eps) * slope

ADADELTA = UpdateRule(
    name="adadelta",
    title="Adadelta",
    **GIVEN,
    state=(State(v, key="square_avg"), State(moved, key="acc_delta")),
    hyper=(rate(0), Hyper(rho, sp.Rational(9, 10), sp.Interval(0, 1)), small(6), DECAY, MAXIMIZE),
    equations=(
        DESCEND,
        COUPLED_DECAY,
        (v, _SQUARES),
        (delta, _DELTA),
        (moved, rho * moved + (1 - rho) * delta**2),
        (p, p - lr * delta),
    ),
    counterpart="torch.optim.Adadelta",
    conventions=(
        Convention("the learning rate", "1, on the step but not on what is accumulated", "none (the paper)"),
        Convention("eps", "inside both roots, 1e-6", "1e-7 (Keras)"),
    ),
    variants={
        **COUPLED_SLIPS,
        **step_slips(delta),
        "the learning rate within what is accumulated": ((moved, rho * moved + (1 - rho) * (lr * delta) ** 2),),
        "the steps accumulated before their size is used": ((p, p - lr * _DELTA),),
        "the steps without the accumulated ones: RMSprop": ((delta, slope / sp.sqrt(v + eps)),),
        "the accumulated steps' root left out": ((delta, (moved + eps) / sp.sqrt(v + eps) * slope),),
        "the accumulated gradients' root left out": ((delta, sp.sqrt(moved + eps) / (v + eps) * slope),),
        "both roots left out": ((delta, (moved + eps) / (v + eps) * slope),),
        "eps outside both roots": ((delta, (sp.sqrt(moved) + eps) / (sp.sqrt(v) + eps) * slope),),
        "eps in the numerator only": (
            (delta, sp.Piecewise((0, sp.Eq(v, 0)), (sp.sqrt(moved + eps) / sp.sqrt(v) * slope, True))),
        ),
        "eps outside the root of the denominator": ((delta, sp.sqrt(moved + eps) / (sp.sqrt(v) + eps) * slope),),
        "the gradients in place of the steps accumulated": ((moved, rho * moved + (1 - rho) * slope**2),),
        "the sizes of the steps, not their squares": ((moved, rho * moved + (1 - rho) * sp.Abs(delta)),),
        "the steps accumulated without (1 - rho)": ((moved, rho * moved + delta**2),),
        "the gradients accumulated without (1 - rho)": ((v, rho * v + slope**2),),
        "both accumulated without (1 - rho)": ((v, rho * v + slope**2), (moved, rho * moved + delta**2)),
        "rho and 1 - rho exchanged": (
            (v, (1 - rho) * v + rho * slope**2),
            (moved, (1 - rho) * moved + rho * delta**2),
        ),
        "the accumulated gradients lost between steps": ((v, (1 - rho) * slope**2),),
        "the accumulated steps lost between steps": ((moved, sp.S.Zero),),
        "weight decay decoupled": (PLAIN_SLOPE, (p, p - lr * (delta + L2))),
    },
    references=(Reference("M. Zeiler, ADADELTA: An Adaptive Learning Rate Method, 2012", "Algorithm 1"),),
    derivable=False,
)

alpha, average, spread, change = sp.symbols("alpha grad_avg spread change", real=True)
centered = sp.Symbol("centered")
_INSIDE = (scale, sp.sqrt(spread + eps))
_RATE_INSIDE: Lines = ((change, momentum * b + lr * slope / scale), (p, p - change))
_SQUARE_AVG = alpha * v + (1 - alpha) * slope**2
_RATE_AS_TF = "learning rate inside the momentum, as in TensorFlow"
_BOTH_AS_TF = "eps inside the root and learning rate inside the momentum, as in TensorFlow"
_OLD_TF = "an average that starts at 1, eps inside the root and learning rate inside the momentum, as in TensorFlow 1"
_START_AS_TF = "an average that starts at 1, and eps inside the root"

RMSPROP = UpdateRule(
    name="rmsprop",
    title="RMSprop",
    **GIVEN,
    state=(State(v, key="square_avg"), State(average, key="grad_avg"), State(b, key="momentum_buffer")),
    hyper=(
        rate(2),
        Hyper(alpha, sp.Rational(99, 100), NOT_NEGATIVE),
        small(8),
        DECAY,
        Hyper(momentum, sp.S.Zero, NOT_NEGATIVE),
        Hyper(centered, sp.false, SWITCH),
        MAXIMIZE,
    ),
    equations=(
        DESCEND,
        COUPLED_DECAY,
        (v, _SQUARE_AVG),
        (average, alpha * average + (1 - alpha) * slope),
        (spread, choose(centered, v - average**2, v)),
        (scale, sp.sqrt(spread) + eps),
        (change, momentum * b + slope / scale),
        (b, change),
        (p, p - lr * change),
    ),
    counterpart="torch.optim.RMSprop",
    conventions=(
        Convention("eps", "outside the root", "inside it (TensorFlow, Keras)"),
        Convention("the learning rate", "outside the momentum", "inside it (TensorFlow, Keras)"),
        Convention("the average of squares", "starts at 0, and is not corrected", "starts at 1 (TensorFlow 1, timm)"),
    ),
    variants={
        **COUPLED_SLIPS,
        **step_slips(change),
        _EPS_INSIDE: (_INSIDE,),
        _RATE_AS_TF: _RATE_INSIDE,
        _BOTH_AS_TF: (_INSIDE, *_RATE_INSIDE),
        _START_AS_TF: ((v, at_first(alpha + (1 - alpha) * slope**2, _SQUARE_AVG)), _INSIDE),
        _OLD_TF: ((v, at_first(alpha + (1 - alpha) * slope**2, _SQUARE_AVG)), _INSIDE, *_RATE_INSIDE),
        "an average that starts at 1": ((v, at_first(alpha + (1 - alpha) * slope**2, _SQUARE_AVG)),),
        "an average that starts as the first square": ((v, at_first(slope**2, _SQUARE_AVG)),),
        "bias correction": ((scale, sp.sqrt(spread / (1 - alpha**t)) + eps),),
        "learning rate inside the momentum and outside": (_RATE_INSIDE[0],),
        "the square of eps inside the root": ((scale, sp.sqrt(spread + eps**2)),),
        "eps left out": ((scale, sp.Piecewise((1, sp.Eq(spread, 0)), (sp.sqrt(spread), True))),),
        "eps as the least denominator": ((scale, sp.Max(sp.sqrt(spread), eps)),),
        "eps added to the average at every step": ((v, _SQUARE_AVG + eps),),
        "no root": ((scale, spread + eps),),
        "the average without (1 - alpha)": ((v, alpha * v + slope**2),),
        "alpha and 1 - alpha exchanged": (
            (v, (1 - alpha) * v + alpha * slope**2),
            (average, (1 - alpha) * average + alpha * slope),
        ),
        "the size of the gradient in place of its square": ((v, alpha * v + (1 - alpha) * sp.Abs(slope)),),
        "a sum in place of the average: Adagrad": ((v, v + slope**2),),
        "the average lost between steps": ((v, (1 - alpha) * slope**2),),
        "centered ignored": ((spread, v),),
        "centered always": ((spread, v - average**2),),
        "centered on the gradient, not on its average": (
            (v, alpha * v + (1 - alpha) * choose(centered, slope - average, slope) ** 2),
            (spread, v),
        ),
        "momentum ignored": ((change, slope / scale),),
        "momentum as an exponential average": ((change, momentum * b + (1 - momentum) * slope / scale),),
        "momentum of the gradients, scaled afterwards": ((b, momentum * b + slope), (p, p - lr * b / scale)),
        "momentum with Nesterov's step": ((p, p - lr * (slope / scale + momentum * change)),),
        "weight decay decoupled": (PLAIN_SLOPE, (p, p - lr * (change + L2))),
        "weight decay left out of the average": ((v, _SQUARE_AVG.subs(slope, signed)),),
    },
    accepted=(_EPS_INSIDE, _RATE_AS_TF, _BOTH_AS_TF, _OLD_TF),
    references=(
        Reference("T. Tieleman and G. Hinton, Neural Networks for Machine Learning, 2012", "lecture 6.5"),
        Reference("A. Graves, Generating Sequences With Recurrent Neural Networks, 2013", "eqs. 38-45, centered"),
    ),
    derivable=False,
)

ADAPTIVE_OPTIMIZERS = (ADAGRAD, ADADELTA, RMSPROP)
