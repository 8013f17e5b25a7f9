"""The activations, as mathematics."""

import sympy as sp

from torchstone.definitions.core import VALUE, Convention, Function, Identity, Input, Kink, Limit, Reference, Variant

x = sp.Symbol("x", real=True)
alpha, beta, slope, threshold = sp.symbols("alpha beta negative_slope threshold", real=True)
row = sp.IndexedBase("x")
i, j = sp.symbols("i j", integer=True, nonnegative=True)
C = sp.Symbol("C", integer=True, positive=True)

_X = Input(x, "prediction")
_POSITIVE = sp.Interval.open(0, sp.oo)
_KINK_AT_ZERO = "the two one-sided slopes differ at 0"

RELU = Function(
    name="relu",
    title="Rectified linear unit",
    kind="activation",
    expression=sp.Piecewise((x, x > 0), (0, True)),
    inputs=(_X,),
    counterpart="torch.nn.ReLU",
    kinks=(Kink(x, sp.Interval(0, 1), sp.S.Zero, _KINK_AT_ZERO),),
    limits=(Limit(-sp.oo, sp.S.Zero, sp.S.Zero), Limit(sp.oo, x, sp.S.One)),
    range=sp.Interval(0, sp.oo),
    conventions=(Convention("the slope at 0", "0", "1/2 where it is written with abs or maximum"),),
    variants=(
        Variant("slope of |x|", sp.Piecewise((x, x > 0), (-x, True)), "keeps the size of a negative input"),
        Variant("clipped at 6", sp.Piecewise((6, x > 6), (x, x > 0), (0, True)), "ReLU6"),
    ),
    references=(
        Reference("V. Nair and G. Hinton, Rectified Linear Units Improve Restricted Boltzmann Machines, ICML 2010"),
    ),
    aliases=("rectifier",),
)

LEAKY_RELU = Function(
    name="leaky_relu",
    title="Leaky rectified linear unit",
    kind="activation",
    expression=sp.Piecewise((x, x > 0), (slope * x, True)),
    inputs=(_X, Input(slope, "parameter", default=sp.Rational(1, 100))),
    counterpart="torch.nn.LeakyReLU",
    kinks=(Kink(x, sp.Interval(0, 1), slope, _KINK_AT_ZERO),),
    limits=(Limit(-sp.oo, slope * x, slope), Limit(sp.oo, x, sp.S.One)),
    conventions=(
        Convention("the slope at 0", "negative_slope, the slope from the left", "1, the slope from the right"),
    ),
    references=(
        Reference(
            "A. Maas, A. Hannun and A. Ng, Rectifier Nonlinearities Improve Neural Network Acoustic Models, ICML 2013"
        ),
    ),
)

ELU = Function(
    name="elu",
    title="Exponential linear unit",
    kind="activation",
    expression=sp.Piecewise((x, x > 0), (alpha * (sp.exp(x) - 1), True)),
    inputs=(_X, Input(alpha, "parameter", default=sp.S.One)),
    counterpart="torch.nn.ELU",
    kinks=(Kink(x, sp.Interval(0, 1), alpha, "smooth at 0 only where alpha is 1"),),
    limits=(Limit(-sp.oo, -alpha, sp.S.Zero), Limit(sp.oo, x, sp.S.One)),
    conventions=(Convention("the slope at 0", "alpha, the slope from the left", "1, the slope from the right"),),
    references=(
        Reference(
            "D.-A. Clevert, T. Unterthiner and S. Hochreiter, Fast and Accurate Deep Network Learning by ELUs, 2016",
            "eq. 16",
        ),
    ),
)

SIGMOID = Function(
    name="sigmoid",
    title="Logistic sigmoid",
    kind="activation",
    expression=1 / (1 + sp.exp(-x)),
    inputs=(_X,),
    counterpart="torch.nn.Sigmoid",
    limits=(Limit(-sp.oo, sp.S.Zero, sp.S.Zero), Limit(sp.oo, sp.S.One, sp.S.Zero)),
    range=sp.Interval(0, 1),
    identities=(Identity("reflection", {"x": -x}, 1 - VALUE),),
    monotone="increasing",
    variants=(
        Variant("hard sigmoid", sp.Piecewise((0, x <= -3), (1, x >= 3), (x / 6 + sp.Rational(1, 2), True)), "a line"),
        Variant("mirrored", 1 / (1 + sp.exp(x)), "the sign of x is lost"),
    ),
    references=(Reference("D. R. Cox, The Regression Analysis of Binary Sequences, JRSS B 20 (1958)"),),
    aliases=("logistic",),
)

LOG_SIGMOID = Function(
    name="log_sigmoid",
    title="Logarithm of the sigmoid",
    kind="activation",
    expression=sp.log(1 / (1 + sp.exp(-x))),
    inputs=(_X,),
    counterpart="torch.nn.LogSigmoid",
    limits=(Limit(-sp.oo, x, sp.S.One), Limit(sp.oo, sp.S.Zero, sp.S.Zero)),
    range=sp.Interval(-sp.oo, 0),
    aliases=("logsigmoid",),
)

TANH = Function(
    name="tanh",
    title="Hyperbolic tangent",
    kind="activation",
    expression=(sp.exp(x) - sp.exp(-x)) / (sp.exp(x) + sp.exp(-x)),
    inputs=(_X,),
    counterpart="torch.nn.Tanh",
    limits=(Limit(-sp.oo, -sp.S.One, sp.S.Zero), Limit(sp.oo, sp.S.One, sp.S.Zero)),
    range=sp.Interval(-1, 1),
    identities=(Identity("odd", {"x": -x}, -VALUE),),
    monotone="increasing",
)

SOFTPLUS = Function(
    name="softplus",
    title="Softplus",
    kind="activation",
    expression=sp.Piecewise((x, beta * x > threshold), (sp.log(1 + sp.exp(beta * x)) / beta, True)),
    inputs=(
        _X,
        Input(beta, "parameter", _POSITIVE, default=sp.S.One),
        Input(threshold, "parameter", default=sp.oo),
    ),
    counterpart="torch.nn.Softplus",
    limits=(Limit(-sp.oo, sp.S.Zero, sp.S.Zero), Limit(sp.oo, x, sp.S.One)),
    range=sp.Interval(0, sp.oo),
    conventions=(
        Convention(
            "far to the right",
            "no switch: the logarithm holds everywhere",
            "PyTorch returns x where beta*x > 20, which float64 can tell from the truth",
        ),
    ),
    references=(
        Reference(
            "C. Dugas et al., Incorporating Second-Order Functional Knowledge for Better Option Pricing, NIPS 2000"
        ),
    ),
)

SILU = Function(
    name="silu",
    title="Sigmoid linear unit",
    kind="activation",
    expression=x / (1 + sp.exp(-x)),
    inputs=(_X,),
    counterpart="torch.nn.SiLU",
    limits=(Limit(-sp.oo, sp.S.Zero, sp.S.Zero), Limit(sp.oo, x, sp.S.One)),
    variants=(Variant("hard swish", x * sp.Piecewise((0, x <= -3), (1, x >= 3), ((x + 3) / 6, True)), "a parabola"),),
    references=(
        Reference("S. Elfwing, E. Uchibe and K. Doya, Sigmoid-Weighted Linear Units, Neural Networks 107 (2018)"),
    ),
    aliases=("swish",),
)

_TANH_FORM = x / 2 * (1 + sp.tanh(sp.sqrt(2 / sp.pi) * (x + sp.Rational(44715, 10**6) * x**3)))

GELU = Function(
    name="gelu",
    title="Gaussian error linear unit",
    kind="activation",
    expression=x / 2 * (1 + sp.erf(x / sp.sqrt(2))),
    inputs=(_X,),
    counterpart="torch.nn.GELU",
    limits=(Limit(-sp.oo, sp.S.Zero, sp.S.Zero), Limit(sp.oo, x, sp.S.One)),
    conventions=(
        Convention("exact or approximate", "exact: through the error function", "tanh or sigmoid approximations"),
    ),
    variants=(
        Variant("tanh approximation", _TANH_FORM, "approximate='tanh'"),
        Variant("sigmoid approximation", x / (1 + sp.exp(-sp.Rational(1702, 1000) * x)), "QuickGELU"),
    ),
    references=(Reference("D. Hendrycks and K. Gimpel, Gaussian Error Linear Units, arXiv:1606.08415"),),
)

GELU_TANH = Function(
    name="gelu_tanh",
    title="Gaussian error linear unit, tanh approximation",
    kind="activation",
    expression=_TANH_FORM,
    inputs=(_X,),
    counterpart="torch.nn.GELU(approximate='tanh')",
    limits=GELU.limits,
    variants=(Variant("exact", GELU.expression, "approximate='none'"),),
    references=GELU.references,
)

_SUM = sp.Sum(sp.exp(row[j]), (j, 0, C - 1))
_ROW = Input(row, "prediction")

SOFTMAX = Function(
    name="softmax",
    title="Softmax",
    kind="activation",
    expression=sp.exp(row[i]) / _SUM,
    inputs=(_ROW,),
    index=i,
    masked=sp.S.Zero,
    counterpart="torch.nn.Softmax(dim=-1)",
    range=sp.Interval(0, 1),
    conventions=(Convention("the dimension", "must be given", "PyTorch guesses dimension 1 or 0 where it is not"),),
    references=(
        Reference("J. Bridle, Probabilistic Interpretation of Feedforward Classification Network Outputs, 1990"),
    ),
)

LOG_SOFTMAX = Function(
    name="log_softmax",
    title="Logarithm of the softmax",
    kind="activation",
    expression=sp.log(sp.exp(row[i]) / _SUM),
    inputs=(_ROW,),
    index=i,
    masked=-sp.oo,
    counterpart="torch.nn.LogSoftmax(dim=-1)",
    range=sp.Interval(-sp.oo, 0),
    aliases=("logsoftmax",),
)

ACTIVATIONS = (
    RELU,
    LEAKY_RELU,
    ELU,
    SIGMOID,
    LOG_SIGMOID,
    TANH,
    SOFTPLUS,
    SILU,
    GELU,
    GELU_TANH,
    SOFTMAX,
    LOG_SOFTMAX,
)
