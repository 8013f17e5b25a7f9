"""The activations that clip x, or what is small or large of it."""

import sympy as sp

from torchstone.definitions.activations_symbols import (
    LIKE_RELU,
    NOT_NEGATIVE,
    ODD,
    X,
    kink,
    x,
)
from torchstone.definitions.core import VALUE, Convention, Function, Identity, Input, Limit, Reference, Variant

low, high, size, threshold, value = sp.symbols("min_val max_val lambd threshold value", real=True)

_FLAT = Convention("the slope at the ends", "0, the slope outside", "that of the line between them")


def _clipped(least: sp.Expr | int, line: sp.Expr, greatest: sp.Expr | int, *ends: sp.Expr | int) -> sp.Expr:
    """A line between two places (those at its ends, unless given), and constants outside."""
    left, right = ends or (least, greatest)
    return sp.Piecewise((least, x <= left), (greatest, x >= right), (line, True))


HARDTANH = Function(
    name="hardtanh",
    title="Hard hyperbolic tangent",
    kind="activation",
    expression=_clipped(low, x, high),
    inputs=(X, Input(low, "parameter", default=-sp.S.One), Input(high, "parameter", default=sp.S.One)),
    counterpart="torch.nn.Hardtanh",
    kinks=(kink(low, 0, 1, 0, "the lower end"), kink(high, 1, 0, 0, "the upper end")),
    limits=(Limit(-sp.oo, low, sp.S.Zero), Limit(sp.oo, high, sp.S.Zero)),
    range=sp.Interval(low, high),
    identities=(Identity("reflection", {"x": low + high - x}, low + high - VALUE),),
    monotone="increasing",
    conventions=(Convention("the slope at the ends", "0, the slope outside", "1: what torch.clamp gives"),),
    variants=(
        Variant("clipped at ±1", _clipped(-1, x, 1), "min_val and max_val have no effect"),
        Variant("only from above", sp.Piecewise((high, x >= high), (x, True)), "the lower end is missing"),
        Variant("only from below", sp.Piecewise((low, x <= low), (x, True)), "the upper end is missing"),
        Variant("smooth", sp.tanh(x), "tanh"),
        Variant("zero outside", sp.Piecewise((0, x <= low), (0, x >= high), (x, True)), "cut, not clipped"),
    ),
    references=(Reference("R. Collobert, Large Scale Machine Learning, PhD thesis, Paris 6, 2004"),),
    aliases=("hard_tanh", "clipped_linear"),
    derivable=False,
)

RELU6 = Function(
    name="relu6",
    title="Rectified linear unit, clipped at 6",
    kind="activation",
    expression=_clipped(0, x, 6),
    inputs=(X,),
    counterpart="torch.nn.ReLU6",
    kinks=(kink(0, 0, 1, 0, "the lower end"), kink(6, 1, 0, 0, "the upper end")),
    limits=(LIKE_RELU[0], Limit(sp.oo, sp.Integer(6), sp.S.Zero)),
    range=sp.Interval(0, 6),
    identities=(Identity("reflection", {"x": 6 - x}, 6 - VALUE),),
    monotone="increasing",
    conventions=(_FLAT,),
    variants=(
        Variant("not clipped", sp.Piecewise((x, x > 0), (0, True)), "a plain ReLU"),
        Variant("clipped at 1", _clipped(0, x, 1), "the 6 is missing"),
        Variant("symmetric", _clipped(-6, x, 6), "the lower end is -6"),
        Variant("divided by 6", _clipped(0, x / 6, 1, 0, 6), "scaled to [0, 1]"),
    ),
    references=(Reference("A. Krizhevsky, Convolutional Deep Belief Networks on CIFAR-10, 2010"),),
    derivable=False,
)

HARDSIGMOID = Function(
    name="hardsigmoid",
    title="Hard sigmoid",
    kind="activation",
    expression=_clipped(0, (x + 3) / 6, 1, -3, 3),
    inputs=(X,),
    counterpart="torch.nn.Hardsigmoid",
    kinks=(
        kink(-3, 0, sp.Rational(1, 6), 0, "the lower end"),
        kink(3, sp.Rational(1, 6), 0, 0, "the upper end"),
    ),
    limits=(LIKE_RELU[0], Limit(sp.oo, sp.S.One, sp.S.Zero)),
    range=sp.Interval(0, 1),
    identities=(Identity("reflection", {"x": -x}, 1 - VALUE),),
    monotone="increasing",
    conventions=(_FLAT, Convention("the slope of the line", "1/6", "1/5 in Keras 2; 1/2 in BinaryConnect")),
    variants=(
        Variant(
            "slope 1/5", _clipped(0, x / 5 + sp.Rational(1, 2), 1, -sp.Rational(5, 2), sp.Rational(5, 2)), "Keras 2"
        ),
        Variant("slope 1/2", _clipped(0, (x + 1) / 2, 1, -1, 1), "BinaryConnect's"),
        Variant("slope 1/4", _clipped(0, x / 4 + sp.Rational(1, 2), 1, -2, 2), "the sigmoid's tangent at 0"),
        Variant("not divided by 6", _clipped(0, x + 3, 6, -3, 3), "ReLU6 of x + 3"),
        Variant("not shifted", _clipped(0, x / 6, 1, 0, 6), "the 3 is missing"),
        Variant("smooth", 1 / (1 + sp.exp(-x)), "the sigmoid"),
    ),
    references=(Reference("A. Howard et al., Searching for MobileNetV3, ICCV 2019", "section 5.2"),),
    aliases=("hard_sigmoid", "h_sigmoid"),
    derivable=False,
)

_JUMP = "a jump: the function is not continuous here"

HARDSHRINK = Function(
    name="hardshrink",
    title="Hard shrinkage",
    kind="activation",
    expression=sp.Piecewise((x, x > size), (x, x < -size), (0, True)),
    inputs=(X, Input(size, "parameter", NOT_NEGATIVE, default=sp.Rational(1, 2))),
    counterpart="torch.nn.Hardshrink",
    kinks=(kink(size, 0, 1, 0, _JUMP), kink(-size, 1, 0, 0, _JUMP)),
    limits=(Limit(-sp.oo, x, sp.S.One), LIKE_RELU[1]),
    identities=(ODD,),
    monotone="increasing",
    conventions=(Convention("the value at ±lambd", "0", "x, where the comparison is not strict"),),
    variants=(
        Variant("soft", sp.Piecewise((x - size, x > size), (x + size, x < -size), (0, True)), "Softshrink"),
        Variant("inside out", sp.Piecewise((0, x > size), (0, x < -size), (x, True)), "keeps what is small"),
        Variant("only the positive side", sp.Piecewise((x, x > size), (0, True)), "|x| is meant"),
    ),
    references=(
        Reference("D. Donoho and I. Johnstone, Ideal Spatial Adaptation by Wavelet Shrinkage, Biometrika 81 (1994)"),
    ),
    aliases=("hard_shrink", "hard_threshold", "hard_thresholding"),
    derivable=False,
)

SOFTSHRINK = Function(
    name="softshrink",
    title="Soft shrinkage",
    kind="activation",
    expression=sp.Piecewise((x - size, x > size), (x + size, x < -size), (0, True)),
    inputs=HARDSHRINK.inputs,
    counterpart="torch.nn.Softshrink",
    kinks=(kink(size, 0, 1, 0, "the upper end"), kink(-size, 1, 0, 0, "the lower end")),
    limits=(Limit(-sp.oo, x + size, sp.S.One), Limit(sp.oo, x - size, sp.S.One)),
    identities=(ODD,),
    monotone="increasing",
    conventions=(Convention("the slope at the ends", "0, the slope between them", "1, the slope outside"),),
    variants=(
        Variant("hard", HARDSHRINK.expression, "Hardshrink: lambd is not subtracted"),
        Variant("sign lost", sp.Piecewise((x - size, x > size), (-x - size, x < -size), (0, True)), "of |x|"),
        Variant("wrong way", sp.Piecewise((x + size, x > size), (x - size, x < -size), (0, True)), "lambd is added"),
        Variant("only the positive side", sp.Piecewise((x - size, x > size), (0, True)), "|x| is meant"),
    ),
    references=(
        Reference("D. Donoho, De-Noising by Soft-Thresholding, IEEE Trans. Inf. Theory 41 (1995)"),
        *HARDSHRINK.references,
    ),
    aliases=("soft_shrink", "soft_threshold", "soft_thresholding"),
    derivable=False,
)

THRESHOLD = Function(
    name="threshold",
    title="Threshold",
    kind="activation",
    expression=sp.Piecewise((x, x > threshold), (value, True)),
    inputs=(  # PyTorch has no defaults
        X,
        Input(threshold, "parameter", default=sp.Rational(1, 2)),
        Input(value, "parameter", default=-sp.Integer(2)),
    ),
    counterpart="torch.nn.Threshold(threshold=0.5, value=-2.0)",
    kinks=(kink(threshold, 0, 1, 0, f"{_JUMP}, unless value is threshold"),),
    limits=(Limit(-sp.oo, value, sp.S.Zero), LIKE_RELU[1]),
    range=sp.Interval(sp.Min(threshold, value), sp.oo),
    monotone="increasing",
    conventions=(Convention("the value at the threshold", "value", "x, where the comparison is not strict"),),
    variants=(
        Variant("inside out", sp.Piecewise((value, x > threshold), (x, True)), "replaces what is above"),
        Variant("zero below", sp.Piecewise((x, x > threshold), (0, True)), "value has no effect"),
        Variant("threshold below", sp.Piecewise((x, x > threshold), (threshold, True)), "a maximum"),
        Variant("arguments swapped", sp.Piecewise((x, x > value), (threshold, True)), "value for threshold"),
    ),
    derivable=False,
)
