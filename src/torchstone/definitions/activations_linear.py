"""The activations made of two straight lines."""

import sympy as sp

from torchstone.definitions.activations_symbols import (
    GATED,
    HOMOGENEOUS,
    LIKE_RELU,
    ODD,
    X,
    kink,
    x,
)
from torchstone.definitions.core import Convention, Function, Input, Limit, Reference, Variant

slope, weight, lower, upper = sp.symbols("negative_slope weight lower upper", real=True)

_TWO_SLOPES = "the two one-sided slopes differ at 0"
_LEFT = Convention("the slope at 0", "that from the left", "1, the slope from the right; their mean in JAX")


def _leaky(leak: sp.Expr) -> sp.Expr:
    return sp.Piecewise((x, x > 0), (leak * x, True))


def _leaky_limits(leak: sp.Expr) -> tuple[Limit, Limit]:
    return Limit(-sp.oo, sp.Piecewise((0, sp.Eq(leak, 0)), (leak * x, True)), leak), LIKE_RELU[1]


def _leaky_variants(leak: sp.Expr) -> tuple[Variant, ...]:
    return (
        Variant("no leak", sp.Piecewise((x, x > 0), (0, True)), "a plain ReLU"),
        Variant("sides swapped", sp.Piecewise((leak * x, x > 0), (x, True)), "the slope is on the wrong side"),
        Variant("sign of the leak lost", sp.Piecewise((x, x > 0), (-leak * x, True)), "keeps the size of a negative x"),
        Variant("constant leak", sp.Piecewise((x, x > 0), (leak, True)), "the factor x is missing"),
    )


IDENTITY = Function(
    name="identity",
    title="Identity",
    kind="activation",
    expression=x,
    inputs=(X,),
    counterpart="torch.nn.Identity",
    limits=(Limit(-sp.oo, x, sp.S.One), LIKE_RELU[1]),
    identities=(ODD, HOMOGENEOUS),
    monotone="increasing",
    derivable=False,
)

RELU = Function(
    name="relu",
    title="Rectified linear unit",
    kind="activation",
    expression=sp.Piecewise((x, x > 0), (0, True)),
    inputs=(X,),
    counterpart="torch.nn.ReLU",
    kinks=(kink(0, 0, 1, 0, _TWO_SLOPES),),
    limits=LIKE_RELU,
    range=sp.Interval(0, sp.oo),
    identities=(HOMOGENEOUS, GATED),
    monotone="increasing",
    conventions=(Convention("the slope at 0", "0", "1/2 where it is written with abs or maximum"),),
    variants=(
        Variant("slope of |x|", sp.Piecewise((x, x > 0), (-x, True)), "keeps the size of a negative input"),
        Variant("clipped at 6", sp.Piecewise((6, x > 6), (x, x > 0), (0, True)), "ReLU6"),
        Variant("mirrored", sp.Piecewise((0, x > 0), (x, True)), "the minimum with 0, not the maximum"),
        Variant("step", sp.Piecewise((1, x > 0), (0, True)), "the derivative, or a factor x is missing"),
        Variant("leaky", _leaky(sp.Rational(1, 100)), "a leak of 0.01"),
    ),
    references=(
        Reference("V. Nair and G. Hinton, Rectified Linear Units Improve Restricted Boltzmann Machines, ICML 2010"),
    ),
    aliases=("rectifier", "rectified_linear_unit"),
)

LEAKY_RELU = Function(
    name="leaky_relu",
    title="Leaky rectified linear unit",
    kind="activation",
    expression=_leaky(slope),
    inputs=(X, Input(slope, "parameter", default=sp.Rational(1, 100))),
    counterpart="torch.nn.LeakyReLU",
    kinks=(kink(0, slope, 1, slope, _TWO_SLOPES),),
    limits=_leaky_limits(slope),
    identities=(HOMOGENEOUS,),
    monotone="increasing",
    conventions=(
        Convention("the slope at 0", "negative_slope, the slope from the left", "1, the slope from the right"),
        Convention("the default of negative_slope", "0.01", "0.3 in Keras 2, 0.2 in TensorFlow and in GANs"),
    ),
    variants=(
        *_leaky_variants(slope),
        *(
            Variant(f"leak of {float(leak)}", _leaky(leak), "negative_slope has no effect")
            for leak in (sp.Rational(1, 100), sp.Rational(1, 5), sp.Rational(3, 10))
        ),
    ),
    references=(
        Reference(
            "A. Maas, A. Hannun and A. Ng, Rectifier Nonlinearities Improve Neural Network Acoustic Models, ICML 2013"
        ),
    ),
    aliases=("lrelu",),
)

PRELU = Function(
    name="prelu",
    title="Parametric rectified linear unit",
    kind="activation",
    expression=_leaky(weight),
    inputs=(X, Input(weight, "parameter", default=sp.Rational(1, 4), argument="init")),
    counterpart="torch.nn.PReLU",
    kinks=(kink(0, weight, 1, weight, _TWO_SLOPES),),
    limits=_leaky_limits(weight),
    identities=(HOMOGENEOUS,),
    monotone="increasing",
    conventions=(
        _LEFT,
        Convention("what the weight is one of", "of all, or of each channel (dimension 1)", "of each element in Keras"),
    ),
    variants=_leaky_variants(weight),
    references=(Reference("K. He, X. Zhang, S. Ren and J. Sun, Delving Deep into Rectifiers, ICCV 2015", "eq. 1"),),
    aliases=("parametric_relu",),
    derivable=False,
)

_MEAN = (lower + upper) / 2

RRELU = Function(
    name="rrelu",
    title="Randomized leaky rectified linear unit, at its mean",
    kind="activation",
    expression=_leaky(_MEAN),
    inputs=(
        X,
        Input(lower, "parameter", default=sp.Rational(1, 8)),
        Input(upper, "parameter", default=sp.Rational(1, 3)),
    ),
    counterpart="torch.nn.RReLU",
    random=True,
    kinks=(kink(0, _MEAN, 1, _MEAN, _TWO_SLOPES),),
    limits=_leaky_limits(_MEAN),
    identities=(HOMOGENEOUS,),
    monotone="increasing",
    conventions=(
        _LEFT,
        Convention(
            "the leak",
            "drawn from [lower, upper] for each element in training, their mean in evaluation",
            "the paper divides by a number drawn from [3, 8]",
        ),
    ),
    variants=(
        *_leaky_variants(_MEAN),
        Variant("leak of lower", _leaky(lower), "not the mean"),
        Variant("leak of upper", _leaky(upper), "not the mean"),
        Variant("divided", _leaky(1 / _MEAN), "divided by the mean, as in the paper"),
    ),
    references=(
        Reference("B. Xu, N. Wang, T. Chen and M. Li, Empirical Evaluation of Rectified Activations, arXiv:1505.00853"),
    ),
    aliases=("randomized_leaky_relu", "randomized_relu"),
    derivable=False,
)
