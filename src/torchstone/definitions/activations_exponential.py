"""The activations made of exponentials: sigmoids, and rectifiers with a smooth left side."""

import sympy as sp

from torchstone.definitions.activations_symbols import GATED, LIKE_RELU, ODD, POSITIVE, X, kink, x
from torchstone.definitions.core import VALUE, Convention, Function, Identity, Input, Limit, Reference, Variant

alpha, beta, threshold = sp.symbols("alpha beta threshold", real=True)

_SIGMOID = 1 / (1 + sp.exp(-x))
_TANH = (sp.exp(x) - sp.exp(-x)) / (sp.exp(x) + sp.exp(-x))
_HARD_SIGMOID = sp.Piecewise((0, x <= -3), (1, x >= 3), (x / 6 + sp.Rational(1, 2), True))


def _left(smooth: sp.Expr) -> sp.Expr:
    return sp.Piecewise((x, x > 0), (smooth, True))


ELU = Function(
    name="elu",
    title="Exponential linear unit",
    kind="activation",
    expression=_left(alpha * (sp.exp(x) - 1)),
    inputs=(X, Input(alpha, "parameter", default=sp.S.One)),
    counterpart="torch.nn.ELU",
    kinks=(kink(0, alpha, 1, alpha, "smooth at 0 only where alpha is 1"),),
    limits=(Limit(-sp.oo, -alpha, sp.S.Zero), LIKE_RELU[1]),
    range=sp.Interval(sp.Min(0, -alpha), sp.oo),
    monotone="increasing",
    conventions=(Convention("the slope at 0", "alpha, the slope from the left", "1, the slope from the right"),),
    variants=(
        Variant("alpha missing", _left(sp.exp(x) - 1), "alpha has no effect"),
        Variant("1 not subtracted", _left(alpha * sp.exp(x)), "jumps at 0"),
        Variant("1 subtracted outside", _left(alpha * sp.exp(x) - 1), "alpha exp(x) - 1: jumps at 0"),
        Variant("CELU", _left(alpha * (sp.exp(x / alpha) - 1)), "alpha divides x, too"),
        Variant("no right side", alpha * (sp.exp(x) - 1), "the exponential everywhere"),
        Variant("exponential of |x|", _left(alpha * (sp.exp(-x) - 1)), "the sign of x is lost"),
    ),
    references=(
        Reference(
            "D.-A. Clevert, T. Unterthiner and S. Hochreiter, Fast and Accurate Deep Network Learning by ELUs, 2016",
            "eq. 16",
        ),
    ),
    aliases=("exponential_linear_unit",),
)

# The paper's two numbers: with them, mean 0 and variance 1 pass through unchanged.
SELU_ALPHA = sp.Rational("1.6732632423543772848170429916717")
SELU_SCALE = sp.Rational("1.0507009873554804934193349852946")


def _selu(scale: sp.Expr, size: sp.Expr) -> sp.Expr:
    return sp.Piecewise((scale * x, x > 0), (scale * size * (sp.exp(x) - 1), True))


SELU = Function(
    name="selu",
    title="Scaled exponential linear unit",
    kind="activation",
    expression=_selu(SELU_SCALE, SELU_ALPHA),
    inputs=(X,),
    counterpart="torch.nn.SELU",
    kinks=(kink(0, SELU_SCALE * SELU_ALPHA, SELU_SCALE, SELU_SCALE * SELU_ALPHA, "not smooth at 0"),),
    limits=(Limit(-sp.oo, -SELU_SCALE * SELU_ALPHA, sp.S.Zero), Limit(sp.oo, SELU_SCALE * x, SELU_SCALE)),
    range=sp.Interval(-SELU_SCALE * SELU_ALPHA, sp.oo),
    monotone="increasing",
    conventions=(Convention("the slope at 0", "1.758..., the slope from the left", "1.050..., that from the right"),),
    variants=(
        Variant("scale missing", _selu(sp.S.One, SELU_ALPHA), "an ELU with the paper's alpha"),
        Variant("alpha missing", _selu(SELU_SCALE, sp.S.One), "a scaled ELU"),
        Variant("constants swapped", _selu(SELU_ALPHA, SELU_SCALE), "alpha for scale"),
        Variant("scaled on the left only", _left(SELU_SCALE * SELU_ALPHA * (sp.exp(x) - 1)), "not at x > 0"),
        Variant(
            "scaled on the right only",
            sp.Piecewise((SELU_SCALE * x, x > 0), (SELU_ALPHA * (sp.exp(x) - 1), True)),
            "not at x < 0",
        ),
        *(
            Variant(
                f"constants of {digits} digits",
                _selu(*(sp.Rational(round(each * 10**digits), 10**digits) for each in (SELU_SCALE, SELU_ALPHA))),
                "rounded constants",
            )
            for digits in (2, 3, 4, 5, 6)
        ),
    ),
    references=(
        Reference(
            "G. Klambauer, T. Unterthiner, A. Mayr and S. Hochreiter, Self-Normalizing Neural Networks, NIPS 2017",
            "eq. 2 and 14",
        ),
    ),
    aliases=("scaled_exponential_linear_unit",),
    derivable=False,
)

CELU = Function(
    name="celu",
    title="Continuously differentiable exponential linear unit",
    kind="activation",
    expression=_left(alpha * (sp.exp(x / alpha) - 1)),
    inputs=(X, Input(alpha, "parameter", POSITIVE, default=sp.S.One)),
    counterpart="torch.nn.CELU",
    limits=(Limit(-sp.oo, -alpha, sp.S.Zero), LIKE_RELU[1]),
    range=sp.Interval(-alpha, sp.oo),
    monotone="increasing",
    variants=(
        Variant("ELU", ELU.expression, "x is not divided by alpha"),
        Variant("alpha missing", _left(sp.exp(x) - 1), "alpha has no effect"),
        Variant("factor alpha missing", _left(sp.exp(x / alpha) - 1), "only divided by alpha"),
        Variant("1 not subtracted", _left(alpha * sp.exp(x / alpha)), "jumps at 0"),
    ),
    references=(
        Reference("J. Barron, Continuously Differentiable Exponential Linear Units, arXiv:1704.07483", "eq. 2"),
    ),
    derivable=False,
)

SIGMOID = Function(
    name="sigmoid",
    title="Logistic sigmoid",
    kind="activation",
    expression=_SIGMOID,
    inputs=(X,),
    counterpart="torch.nn.Sigmoid",
    limits=(LIKE_RELU[0], Limit(sp.oo, sp.S.One, sp.S.Zero)),
    range=sp.Interval(0, 1),
    identities=(Identity("reflection", {"x": -x}, 1 - VALUE),),
    monotone="increasing",
    variants=(
        Variant("hard sigmoid", _HARD_SIGMOID, "a line"),
        Variant("mirrored", 1 / (1 + sp.exp(x)), "the sign of x is lost"),
        Variant("tanh", _TANH, "a sigmoid from -1 to 1"),
        Variant("tanh of x/2", sp.tanh(x / 2), "2σ(x) - 1: from -1 to 1"),
        Variant("1 not added", sp.exp(x), "exp(x) over 1, not over 1 + exp(x)"),
        Variant("derivative", sp.exp(-x) / (1 + sp.exp(-x)) ** 2, "σ(x) (1 - σ(x))"),
    ),
    references=(Reference("D. R. Cox, The Regression Analysis of Binary Sequences, JRSS B 20 (1958)"),),
    aliases=("logistic", "expit"),
    forms=(Variant("exp(x)/(1 + exp(x))", sp.exp(x) / (1 + sp.exp(x))),),
)

LOG_SIGMOID = Function(
    name="log_sigmoid",
    title="Logarithm of the sigmoid",
    kind="activation",
    expression=sp.log(_SIGMOID),
    inputs=(X,),
    counterpart="torch.nn.LogSigmoid",
    limits=(Limit(-sp.oo, x, sp.S.One), Limit(sp.oo, sp.S.Zero, sp.S.Zero)),
    range=sp.Interval(-sp.oo, 0),
    identities=(GATED,),
    monotone="increasing",
    variants=(
        Variant("mirrored", sp.log(1 / (1 + sp.exp(x))), "the sign of x is lost"),
        Variant("negative", sp.log(1 + sp.exp(-x)), "a softplus of -x: the sign of the value is lost"),
        Variant("no logarithm", _SIGMOID, "the sigmoid"),
        Variant("softplus", sp.log(1 + sp.exp(x)), "of x, and not negated"),
    ),
    aliases=("logsigmoid", "log_expit"),
)

TANH = Function(
    name="tanh",
    title="Hyperbolic tangent",
    kind="activation",
    expression=_TANH,
    inputs=(X,),
    counterpart="torch.nn.Tanh",
    limits=(Limit(-sp.oo, -sp.S.One, sp.S.Zero), Limit(sp.oo, sp.S.One, sp.S.Zero)),
    range=sp.Interval(-1, 1),
    identities=(ODD,),
    monotone="increasing",
    variants=(
        Variant("sigmoid", _SIGMOID, "from 0 to 1"),
        Variant("tanh of x/2", sp.tanh(x / 2), "2σ(x) - 1, for 2σ(2x) - 1"),
        Variant("mirrored", -_TANH, "the sign of x is lost"),
        Variant("signs swapped", 1 / _TANH, "the quotient upside down"),
        Variant("hard", sp.Piecewise((-1, x <= -1), (1, x >= 1), (x, True)), "Hardtanh"),
        Variant("derivative", 1 - _TANH**2, "1 - tanh²"),
    ),
    aliases=("hyperbolic_tangent",),
    forms=(Variant("the quotient in exp(2x)", (sp.exp(2 * x) - 1) / (sp.exp(2 * x) + 1)),),
)

_SOFTPLUS = sp.log(1 + sp.exp(beta * x)) / beta

SOFTPLUS = Function(
    name="softplus",
    title="Softplus",
    kind="activation",
    expression=sp.Piecewise((x, beta * x > threshold), (_SOFTPLUS, True)),
    inputs=(
        X,
        Input(beta, "parameter", POSITIVE, default=sp.S.One),
        Input(threshold, "parameter", default=sp.oo),
    ),
    counterpart="torch.nn.Softplus",
    limits=LIKE_RELU,
    range=sp.Interval(0, sp.oo),
    identities=(GATED,),
    monotone="increasing",
    conventions=(
        Convention(
            "far to the right",
            "no switch: the logarithm holds everywhere",
            "PyTorch returns x where beta*x > 20, which float64 can tell from the truth",
            accepted=sp.Piecewise((x, beta * x > 20), (_SOFTPLUS, True)),
        ),
    ),
    variants=(
        Variant("not divided by beta", sp.log(1 + sp.exp(beta * x)), "beta only multiplies x"),
        Variant("beta missing", sp.log(1 + sp.exp(x)), "beta has no effect"),
        Variant("beta only divides", sp.log(1 + sp.exp(x)) / beta, "x is not multiplied by beta"),
        Variant("mirrored", sp.log(1 + sp.exp(-beta * x)) / beta, "the sign of x is lost"),
        Variant("sigmoid", 1 / (1 + sp.exp(-beta * x)), "the derivative"),
        Variant("rectified", sp.Piecewise((x, x > 0), (0, True)), "ReLU"),
    ),
    references=(
        Reference(
            "C. Dugas et al., Incorporating Second-Order Functional Knowledge for Better Option Pricing, NIPS 2000"
        ),
    ),
    aliases=("smooth_relu",),
)

SOFTSIGN = Function(
    name="softsign",
    title="Softsign",
    kind="activation",
    expression=sp.Piecewise((x / (1 + x), x > 0), (x / (1 - x), True)),
    inputs=(X,),
    counterpart="torch.nn.Softsign",
    limits=(
        Limit(-sp.oo, -sp.S.One, sp.S.Zero, exponential=False),
        Limit(sp.oo, sp.S.One, sp.S.Zero, exponential=False),
    ),
    range=sp.Interval(-1, 1),
    identities=(ODD,),
    monotone="increasing",
    variants=(
        Variant("x²", x / (1 + x**2), "the square for the absolute value"),
        Variant("root", x / sp.sqrt(1 + x**2), "the root of 1 + x², for 1 + |x|"),
        Variant("no absolute value", x / (1 + x), "a pole at -1"),
        Variant("not signed", sp.Piecewise((x / (1 + x), x > 0), (-x / (1 - x), True)), "|x| over 1 + |x|"),
    ),
    references=(
        Reference(
            "J. Bergstra, G. Desjardins, P. Lamblin and Y. Bengio, Quadratic Polynomials Learn Better Image Features, "
            "2009"
        ),
    ),
    aliases=("soft_sign",),
    derivable=False,
)

TANHSHRINK = Function(
    name="tanhshrink",
    title="Hyperbolic tangent shrinkage",
    kind="activation",
    expression=x - _TANH,
    inputs=(X,),
    counterpart="torch.nn.Tanhshrink",
    limits=(Limit(-sp.oo, x + 1, sp.S.One), Limit(sp.oo, x - 1, sp.S.One)),
    identities=(ODD,),
    monotone="increasing",
    variants=(
        Variant("negative", _TANH - x, "the difference the other way round"),
        Variant("sum", x + _TANH, "the sign of the tanh is lost"),
        Variant("product", x * _TANH, "times, not minus"),
    ),
    aliases=("tanh_shrink",),
    derivable=False,
)
