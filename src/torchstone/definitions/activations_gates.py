"""The activations that multiply x by a gate, and their like."""

import sympy as sp

from torchstone.definitions.activations_symbols import GATED, LIKE_RELU, POSITIVE, X, kink, x
from torchstone.definitions.core import FREE, VALUE, Convention, Function, Identity, Input, Limit, Reference, Variant

beta = sp.Symbol("beta", real=True)

_HALF = sp.Rational(1, 2)
_SIGMOID = 1 / (1 + sp.exp(-x))
_HARD_SIGMOID = sp.Piecewise((0, x <= -3), (1, x >= 3), ((x + 3) / 6, True))
_LOWEST = sp.LambertW(sp.exp(-1))  # x σ(x) is nowhere less than the negative of this


def _sigmoid_gate(scale: sp.Expr | str) -> sp.Expr:
    return x / (1 + sp.exp(-sp.sympify(scale) * x))


SILU = Function(
    name="silu",
    title="Sigmoid linear unit",
    kind="activation",
    expression=x / (1 + sp.exp(-x)),
    inputs=(X,),
    counterpart="torch.nn.SiLU",
    limits=LIKE_RELU,
    range=sp.Interval(-_LOWEST, sp.oo),
    identities=(GATED,),
    variants=(
        Variant("hard swish", x * _HARD_SIGMOID, "a parabola"),
        Variant("factor x missing", _SIGMOID, "the sigmoid alone"),
        Variant("mirrored gate", x / (1 + sp.exp(x)), "the sign of x is lost in the gate"),
        Variant("gate of 1.702 x", _sigmoid_gate(sp.Rational(1702, 1000)), "the sigmoid approximation of GELU"),
        Variant("tanh gate", x * sp.tanh(x), "tanh for the sigmoid"),
    ),
    references=(
        Reference("S. Elfwing, E. Uchibe and K. Doya, Sigmoid-Weighted Linear Units, Neural Networks 107 (2018)"),
    ),
    aliases=("swish", "sigmoid_linear_unit"),
)

SWISH_BETA = Function(
    name="swish_beta",
    title="Swish with a slope",
    kind="activation",
    expression=_sigmoid_gate(beta),
    inputs=(X, Input(beta, "parameter", default=sp.S.One)),
    counterpart="",
    limits=(
        Limit(
            -sp.oo,
            sp.Piecewise((0, beta > 0), (x / 2, sp.Eq(beta, 0)), (x, True)),
            sp.Piecewise((0, beta > 0), (_HALF, sp.Eq(beta, 0)), (1, True)),
        ),
        Limit(
            sp.oo,
            sp.Piecewise((x, beta > 0), (x / 2, sp.Eq(beta, 0)), (0, True)),
            sp.Piecewise((1, beta > 0), (_HALF, sp.Eq(beta, 0)), (0, True)),
        ),
    ),
    identities=(GATED,),
    variants=(
        Variant("beta missing", SILU.expression, "beta has no effect"),
        Variant("beta outside", beta * SILU.expression, "E-swish: beta multiplies the value"),
        Variant("beta in front, too", beta * _sigmoid_gate(beta), "beta multiplies x in both places"),
        Variant("divided", _sigmoid_gate(1 / beta), "x over beta"),
    ),
    references=(
        Reference("P. Ramachandran, B. Zoph and Q. Le, Searching for Activation Functions, arXiv:1710.05941", "sec. 4"),
    ),
    aliases=("swish_with_beta", "parametric_swish", "learnable_swish"),
    derivable=False,
)


def _tanh_form(root: sp.Expr, cubic: sp.Expr) -> sp.Expr:
    return x / 2 * (1 + sp.tanh(root * (x + cubic * x**3)))


_ROOT, _CUBIC = sp.sqrt(2 / sp.pi), sp.Rational(44715, 10**6)
_TANH_FORM = _tanh_form(_ROOT, _CUBIC)
_QUICK = _sigmoid_gate(sp.Rational(1702, 1000))

GELU = Function(
    name="gelu",
    title="Gaussian error linear unit",
    kind="activation",
    expression=x / 2 * (1 + sp.erf(x / sp.sqrt(2))),
    inputs=(X,),
    counterpart="torch.nn.GELU",
    limits=LIKE_RELU,
    range=sp.Interval(-sp.Rational(169972, 10**6), sp.oo),
    identities=(GATED,),
    conventions=(
        Convention("exact or approximate", "exact: through the error function", "tanh or sigmoid approximations"),
    ),
    variants=(
        Variant("tanh approximation", _TANH_FORM, "approximate='tanh'"),
        Variant("sigmoid approximation", _QUICK, "QuickGELU"),
        Variant("root of 2 missing", x / 2 * (1 + sp.erf(x)), "erf(x), for erf(x/√2)"),
        Variant("half missing", x * (1 + sp.erf(x / sp.sqrt(2))), "twice too large"),
        Variant("1 missing", x / 2 * sp.erf(x / sp.sqrt(2)), "1 is not added to the error function"),
        Variant("factor x missing", (1 + sp.erf(x / sp.sqrt(2))) / 2, "the normal distribution alone"),
        Variant("density", x * sp.exp(-(x**2) / 2) / sp.sqrt(2 * sp.pi), "the normal density, for its integral"),
    ),
    references=(Reference("D. Hendrycks and K. Gimpel, Gaussian Error Linear Units, arXiv:1606.08415"),),
    aliases=("gelu_exact", "gelu_erf", "gaussian_error_linear_unit"),
)

GELU_TANH = Function(
    name="gelu_tanh",
    title="Gaussian error linear unit, tanh approximation",
    kind="activation",
    expression=_TANH_FORM,
    inputs=(X,),
    counterpart="torch.nn.GELU(approximate='tanh')",
    limits=LIKE_RELU,
    range=sp.Interval(-sp.Rational(170041, 10**6), sp.oo),
    identities=(GATED,),
    variants=(
        Variant("exact", GELU.expression, "approximate='none'"),
        Variant("sigmoid approximation", _QUICK, "QuickGELU"),
        Variant("cubic term missing", _tanh_form(_ROOT, sp.S.Zero), "x + 0.044715 x³ is meant"),
        Variant("0.44715", _tanh_form(_ROOT, 10 * _CUBIC), "a digit is lost: 0.044715"),
        Variant("root missing", _tanh_form(sp.S.One, _CUBIC), "√(2/π) is missing"),
        Variant("root upside down", _tanh_form(1 / _ROOT, _CUBIC), "√(π/2), for √(2/π)"),
        Variant("no root", _tanh_form(2 / sp.pi, _CUBIC), "2/π, for its square root"),
        Variant("half missing", 2 * _TANH_FORM, "twice too large"),
    ),
    references=GELU.references,
    aliases=("gelu_new", "gelu_fast", "fast_gelu", "tanh_gelu", "gelu_approximate", "gelu_pytorch_tanh"),
)

QUICK_GELU = Function(
    name="quick_gelu",
    title="Gaussian error linear unit, sigmoid approximation",
    kind="activation",
    expression=_QUICK,
    inputs=(X,),
    counterpart="",
    limits=LIKE_RELU,
    range=sp.Interval(-_LOWEST / sp.Rational(1702, 1000), sp.oo),
    identities=(GATED,),
    variants=(
        Variant("exact", GELU.expression, "the error function"),
        Variant("tanh approximation", _TANH_FORM, "approximate='tanh'"),
        Variant("1.702 missing", SILU.expression, "SiLU"),
        Variant("1.72", _sigmoid_gate(sp.Rational(172, 100)), "a digit is lost: 1.702"),
        Variant("1.7", _sigmoid_gate(sp.Rational(17, 10)), "rounded: 1.702"),
    ),
    references=GELU.references,
    aliases=("gelu_quick", "gelu_sigmoid", "sigmoid_gelu"),
    derivable=False,
)

_SOFTPLUS = sp.log(1 + sp.exp(x))

MISH = Function(
    name="mish",
    title="Mish",
    kind="activation",
    expression=x * sp.tanh(_SOFTPLUS),
    inputs=(X,),
    counterpart="torch.nn.Mish",
    limits=LIKE_RELU,
    range=sp.Interval(-sp.Rational(308844, 10**6), sp.oo),
    variants=(
        Variant("tanh missing", x * _SOFTPLUS, "x times softplus"),
        Variant("softplus missing", x * sp.tanh(x), "x tanh(x)"),
        Variant("factor x missing", sp.tanh(_SOFTPLUS), "the gate alone"),
        Variant("sigmoid gate", SILU.expression, "SiLU"),
        Variant("sigmoid for tanh", x / (1 + sp.exp(-_SOFTPLUS)), "a gate from 1/2 to 1"),
        Variant("1 missing", x * sp.tanh(sp.exp(x)), "tanh(exp(x)): TanhExp"),
    ),
    references=(Reference("D. Misra, Mish: A Self Regularized Non-Monotonic Activation Function, BMVC 2020", "eq. 1"),),
    derivable=False,
)

HARDSWISH = Function(
    name="hardswish",
    title="Hard swish",
    kind="activation",
    expression=sp.Piecewise((0, x <= -3), (x, x >= 3), (x * (x + 3) / 6, True)),
    inputs=(X,),
    counterpart="torch.nn.Hardswish",
    kinks=(
        kink(-3, 0, -_HALF, 0, "the lower end"),
        kink(3, sp.Rational(3, 2), 1, 1, "the upper end"),
    ),
    limits=LIKE_RELU,
    range=sp.Interval(-sp.Rational(3, 8), sp.oo),
    identities=(GATED,),
    conventions=(Convention("the slope at the ends", "that outside: 0 and 1", "-1/2 and 3/2, those of the parabola"),),
    variants=(
        Variant("not divided by 6", 6 * x * _HARD_SIGMOID, "x ReLU6(x + 3)"),
        Variant("not shifted", x * sp.Piecewise((0, x <= 0), (1, x >= 6), (x / 6, True)), "the 3 is missing"),
        Variant("factor x missing", _HARD_SIGMOID, "the hard sigmoid alone"),
        Variant("smooth", SILU.expression, "SiLU"),
        Variant(
            "slope 1/5",
            x * sp.Piecewise((0, x <= -5 * _HALF), (1, x >= 5 * _HALF), (x / 5 + _HALF, True)),
            "Keras 2's hard sigmoid for a gate",
        ),
        Variant("parabola everywhere", x * (x + 3) / 6, "not clipped"),
    ),
    references=(Reference("A. Howard et al., Searching for MobileNetV3, ICCV 2019", "section 5.2"),),
    aliases=("hard_swish", "h_swish", "hard_silu", "hardsilu"),
    derivable=False,
)

SQUARED_RELU = Function(
    name="squared_relu",
    title="Squared rectified linear unit",
    kind="activation",
    expression=sp.Piecewise((x**2, x > 0), (0, True)),
    inputs=(X,),
    counterpart="",
    limits=(LIKE_RELU[0], Limit(sp.oo, x**2, 2 * x)),
    range=sp.Interval(0, sp.oo),
    identities=(Identity("homogeneous of degree 2", {"x": FREE * x}, FREE**2 * VALUE, POSITIVE),),
    monotone="increasing",
    variants=(
        Variant("not squared", sp.Piecewise((x, x > 0), (0, True)), "ReLU"),
        Variant("not rectified", x**2, "the square on both sides"),
        Variant("halved", sp.Piecewise((x**2 / 2, x > 0), (0, True)), "x²/2"),
        Variant("signed", sp.Piecewise((x**2, x > 0), (-(x**2), True)), "x |x|"),
    ),
    references=(Reference("D. So et al., Primer: Searching for Efficient Transformers, NeurIPS 2021"),),
    aliases=("relu_squared", "relu2", "square_relu"),
    derivable=False,
)
