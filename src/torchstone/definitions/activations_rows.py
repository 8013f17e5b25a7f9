"""The activations of a row."""

import sympy as sp

from torchstone.definitions.core import FREE, VALUE, Convention, Function, Identity, Input, Reference, Variant

row = sp.IndexedBase("x")
i, j = sp.symbols("i j", integer=True, nonnegative=True)
C = sp.Symbol("C", integer=True, positive=True)

_ROW = Input(row, "prediction")
_UNIT = sp.Interval(0, 1)


def _total(term: sp.Expr) -> sp.Expr:
    return sp.Sum(term, (j, 0, C - 1))


_SUM = _total(sp.exp(row[j]))
_SHIFT = Identity("shift-invariant", {"x": row[j] + FREE}, VALUE)
_DIMENSION = Convention("the dimension", "must be given", "PyTorch guesses dimension 1 or 0 where it is not")

SOFTMAX = Function(
    name="softmax",
    title="Softmax",
    kind="activation",
    expression=sp.exp(row[i]) / _SUM,
    inputs=(_ROW,),
    index=i,
    masked=sp.S.Zero,
    counterpart="torch.nn.Softmax(dim=-1)",
    range=_UNIT,
    identities=(_SHIFT,),
    conventions=(_DIMENSION,),
    variants=(
        Variant("softmin", sp.exp(-row[i]) / _total(sp.exp(-row[j])), "the sign of x is lost"),
        Variant("not normalized", sp.exp(row[i]), "the exponential alone"),
        Variant("no exponential", row[i] / _total(row[j]), "x over the sum of x"),
        Variant("base 2", 2 ** row[i] / _total(2 ** row[j]), "powers of 2"),
        Variant("sigmoid", 1 / (1 + sp.exp(-row[i])), "of each component by itself"),
        Variant("logarithm", row[i] - sp.log(_SUM), "the logarithm of the softmax"),
        Variant("one more", sp.exp(row[i]) / (1 + _SUM), "1 is added to the sum"),
        Variant("mean", C * sp.exp(row[i]) / _SUM, "over the mean, not over the sum"),
    ),
    references=(
        Reference("J. Bridle, Probabilistic Interpretation of Feedforward Classification Network Outputs, 1990"),
    ),
    aliases=("soft_max", "softargmax"),
)

SOFTMAX2D = Function(
    name="softmax2d",
    title="Softmax over the channels of an image",
    kind="activation",
    expression=SOFTMAX.expression,
    inputs=(_ROW,),
    index=i,
    axis=-3,
    masked=sp.S.Zero,
    counterpart="torch.nn.Softmax2d",
    range=_UNIT,
    identities=(_SHIFT,),
    conventions=(Convention("the dimension", "the channels: dimension -3", ""),),
    variants=SOFTMAX.variants,
    references=SOFTMAX.references,
    aliases=("softmax_2d", "channel_softmax"),
    derivable=False,
)

SOFTMIN = Function(
    name="softmin",
    title="Softmin",
    kind="activation",
    expression=sp.exp(-row[i]) / _total(sp.exp(-row[j])),
    inputs=(_ROW,),
    index=i,
    masked=sp.S.Zero,
    masked_at=sp.oo,
    counterpart="torch.nn.Softmin(dim=-1)",
    range=_UNIT,
    identities=(_SHIFT,),
    conventions=(_DIMENSION,),
    variants=(
        Variant("softmax", SOFTMAX.expression, "the sign of x is lost"),
        Variant("complement", 1 - SOFTMAX.expression, "1 minus the softmax"),
        Variant("negative", -SOFTMAX.expression, "minus the softmax"),
        Variant("not normalized", sp.exp(-row[i]), "the exponential alone"),
    ),
    aliases=("soft_min",),
    derivable=False,
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
    identities=(_SHIFT,),
    conventions=(_DIMENSION,),
    variants=(
        Variant("no logarithm", SOFTMAX.expression, "the softmax"),
        Variant("negative", sp.log(_SUM) - row[i], "the sign of the value is lost"),
        Variant("softmin", -row[i] - sp.log(_total(sp.exp(-row[j]))), "the sign of x is lost"),
        Variant("no exponential", row[i] - sp.log(_total(row[j])), "x is summed, not exp(x)"),
        Variant("mean", row[i] - sp.log(_SUM / C), "the mean is subtracted, not the sum"),
        Variant("not normalized", row[i] - _SUM, "the logarithm of the sum is missing"),
    ),
    aliases=("logsoftmax",),
)

_GATE = row[i + C / 2]


GLU = Function(
    name="glu",
    title="Gated linear unit",
    kind="activation",
    expression=row[i] / (1 + sp.exp(-_GATE)),
    inputs=(_ROW,),
    index=i,
    width=C / 2,
    counterpart="torch.nn.GLU(dim=-1)",
    conventions=(Convention("the gate", "the second half", "the first half"),),
    variants=(
        Variant("halves swapped", _GATE / (1 + sp.exp(-row[i])), "the first half is the gate"),
        Variant("no sigmoid", row[i] * _GATE, "the bilinear unit"),
        Variant("tanh gate", row[i] * sp.tanh(_GATE), "tanh for the sigmoid"),
        Variant("gate alone", 1 / (1 + sp.exp(-_GATE)), "the factor is missing"),
        Variant("SwiGLU", row[i] / (1 + sp.exp(-row[i])) * _GATE, "swish of the first half, times the second"),
    ),
    references=(
        Reference(
            "Y. Dauphin, A. Fan, M. Auli and D. Grangier, Language Modeling with Gated Convolutions, 2017",
            "eq. 1",
        ),
    ),
    aliases=("gated_linear_unit",),
    derivable=False,
)
