"""The losses of a row of classes, as mathematics."""

import sympy as sp

from torchstone.definitions.core import FREE, VALUE, Convention, Function, Identity, Input, Kink, Reference, Variant
from torchstone.definitions.losses_common import (
    CLASSES,
    NOT_NEGATIVE,
    ONE_HOT,
    PERMUTED,
    ROW_MEAN,
    ROW_SHIFTED,
    SWITCH,
    UNIT,
    WEIGHTS,
    C,
    c,
    j,
    margin,
    margin_of,
    p,
    row,
    target,
    weights,
)

epsilon = sp.Symbol("label_smoothing", real=True)
_LOG_SUM = sp.log(sp.Sum(sp.exp(row[j]), (j, 0, C - 1)))
_SMOOTHED = (1 - epsilon) * target[c] + epsilon / C
_WEIGHTED_MEAN = Convention(
    "what the mean divides by",
    "with class indices, the summed weights of the targets that count; with probabilities, the number of rows",
    "the number of rows always",
)
_IGNORED = Convention("an ignored row", "counts in neither sum; its gradient is 0", "")
_NOTHING = Convention("the mean over nothing", "0/0: NaN", "optax: 0")


def _over_classes(term: sp.Expr) -> sp.Expr:
    return sp.Sum(term, CLASSES)


_ENTROPY = _over_classes(weights[c] * _SMOOTHED * (_LOG_SUM - row[c]))
_TWICE = _over_classes(
    weights[c]
    * _SMOOTHED
    * (sp.log(sp.Sum(sp.exp(sp.exp(row[j] - _LOG_SUM)), (j, 0, C - 1))) - sp.exp(row[c] - _LOG_SUM))
)
_ENTROPY_FORMS = (
    Variant(
        "the logarithm of a softmax",
        -_over_classes(weights[c] * _SMOOTHED * sp.log(sp.exp(row[c]) / sp.Sum(sp.exp(row[j]), (j, 0, C - 1)))),
    ),
)
_ENTROPY_VARIANTS = (
    Variant("of log-probabilities", -_over_classes(weights[c] * _SMOOTHED * row[c]), "log-softmax is missing"),
    Variant(
        "of probabilities",
        -_over_classes(weights[c] * _SMOOTHED * sp.log(sp.Abs(row[c]))),
        "softmax is missing: the logits are taken for probabilities",
    ),
    Variant(
        "log is missing",
        -_over_classes(weights[c] * _SMOOTHED * sp.exp(row[c] - _LOG_SUM)),
        "the softmax's probability, not its logarithm",
    ),
    Variant("negated", -_ENTROPY, "the minus sign is missing"),
    Variant("softmax twice", _TWICE, "a softmax before it"),
)
CROSS_ENTROPY = Function(
    name="cross_entropy",
    title="Cross-entropy of logits and a class index",
    kind="loss",
    expression=_ENTROPY,
    inputs=(
        Input(row, "prediction"),
        ONE_HOT,
        WEIGHTS,
        Input(epsilon, "parameter", UNIT, default=sp.S.Zero),
    ),
    counterpart="torch.nn.CrossEntropyLoss",
    masked=sp.S.Zero,
    range=NOT_NEGATIVE,
    identities=(ROW_SHIFTED, PERMUTED),
    mean_denominator=_over_classes(weights[c] * target[c]),
    conventions=(_WEIGHTED_MEAN, _IGNORED, _NOTHING),
    variants=_ENTROPY_VARIANTS,
    forms=_ENTROPY_FORMS,
    references=(
        Reference(
            "C. Szegedy et al., Rethinking the Inception Architecture for Computer Vision, CVPR 2016", "section 7"
        ),
    ),
    aliases=("ce", "ce_loss", "cross_entropy_loss", "softmax_cross_entropy", "categorical_cross_entropy"),
)

alpha, gamma = sp.symbols("alpha gamma", real=True)
# 1 - p, as the share of the other classes: a power of it must not meet a ball that reaches below 0.
_MISSED = sp.Sum((1 - sp.KroneckerDelta(j, c)) * sp.exp(row[j]), (j, 0, C - 1)) / sp.Sum(sp.exp(row[j]), (j, 0, C - 1))


def _focused(factor: sp.Expr) -> sp.Expr:
    return _over_classes(alpha * target[c] * factor * (_LOG_SUM - row[c]))


FOCAL_CLASSES = Function(
    name="focal_classes",
    title="Focal loss of logits and a class index",
    kind="loss",
    expression=_focused(_MISSED**gamma),
    inputs=(
        Input(row, "prediction"),
        ONE_HOT,
        Input(alpha, "parameter", default=sp.S.One),
        Input(gamma, "parameter", NOT_NEGATIVE, default=sp.Integer(2)),
    ),
    counterpart="",
    range=NOT_NEGATIVE,
    identities=(ROW_SHIFTED,),
    conventions=(
        Convention("the balance", "one factor for all classes", "a weight for each class"),
        Convention("what the mean divides by", "the number of rows", "the number of positives (RetinaNet)"),
    ),
    variants=(
        Variant("p_t for 1 - p_t", _focused((1 - _MISSED) ** gamma), "weighs the easy ones more"),
        Variant("no focus", _focused(sp.S.One), "(1 - p_t)^gamma is missing: the cross-entropy"),
    ),
    references=(Reference("T. Lin et al., Focal Loss for Dense Object Detection, ICCV 2017", "eq. 4"),),
    aliases=("multiclass_focal", "softmax_focal"),
    derivable=False,
)

CROSS_ENTROPY_PROBABILITIES = Function(
    name="cross_entropy_probabilities",
    title="Cross-entropy of logits and class probabilities",
    kind="loss",
    expression=_ENTROPY,
    inputs=(Input(row, "prediction"), Input(target, "target", UNIT), *CROSS_ENTROPY.inputs[2:]),
    counterpart="torch.nn.CrossEntropyLoss",
    masked=sp.S.Zero,
    range=NOT_NEGATIVE,
    identities=CROSS_ENTROPY.identities,
    conventions=(_WEIGHTED_MEAN,),
    variants=CROSS_ENTROPY.variants,
    references=CROSS_ENTROPY.references,
    aliases=("soft_cross_entropy", "soft_target_cross_entropy"),
)

NLL = Function(
    name="nll",
    title="Negative log-likelihood of a class index",
    kind="loss",
    expression=-_over_classes(weights[c] * target[c] * row[c]),
    inputs=(Input(row, "prediction", sp.Interval(-sp.oo, 0)), ONE_HOT, WEIGHTS),
    counterpart="torch.nn.NLLLoss",
    masked=sp.S.Zero,
    identities=(PERMUTED, Identity("homogeneous of degree 1", {"x": FREE * row[j]}, FREE * VALUE)),
    mean_denominator=_over_classes(weights[c] * target[c]),
    conventions=(_WEIGHTED_MEAN, _IGNORED, _NOTHING),
    variants=(
        Variant("sign lost", _over_classes(weights[c] * target[c] * row[c]), "the minus is missing"),
        Variant(
            "of probabilities",
            -_over_classes(weights[c] * target[c] * sp.log(sp.Abs(row[c]))),
            "takes the logarithm of a log-probability",
        ),
        Variant("of logits", _over_classes(weights[c] * target[c] * (_LOG_SUM - row[c])), "applies log-softmax"),
    ),
    aliases=("nll_loss", "negative_log_likelihood"),
)

_SHORT = margin - row[c] + row[j]  # what right class c falls short of wrong class j


def _pairs(short: sp.Expr, power: sp.Expr, wrong: sp.Basic, weight: sp.Expr, count: sp.Expr = C) -> sp.Expr:
    """The sum over right classes c and others j. Not a product with t: that is 0 times infinity for a masked class."""
    terms = sp.Piecewise((0, sp.Eq(target[c], 0) | ~wrong), (weight * short**power, short > 0), (0, True))
    return sp.Sum(terms, CLASSES, (j, 0, C - 1)) / count


_WRONG = sp.Eq(target[j], 0)


def _multi_margin(short: sp.Expr, power: sp.Expr, wrong: sp.Basic = _WRONG, count: sp.Expr = C) -> sp.Expr:
    return _pairs(short, power, wrong, weights[c], count)


MULTI_MARGIN = Function(
    name="multi_margin",
    title="Hinge loss of a row of classes",
    kind="loss",
    expression=_multi_margin(_SHORT, p),
    inputs=(
        Input(row, "prediction"),
        ONE_HOT,
        Input(p, "parameter", sp.FiniteSet(1, 2), default=sp.S.One),
        margin_of(1),
        WEIGHTS,
    ),
    counterpart="torch.nn.MultiMarginLoss",
    kinks=(Kink(_SHORT, sp.Interval(0, 1), sp.S.Zero, "where p is 1: a class just at the margin, for each j"),),
    range=NOT_NEGATIVE,
    identities=(ROW_SHIFTED, PERMUTED),
    conventions=(
        ROW_MEAN,
        Convention("what the sum over the other classes is divided by", "the number of classes", "nothing; or C - 1"),
        Convention("what the weight multiplies", "the powers", "the terms, before the power"),
    ),
    variants=(
        Variant("not divided", _multi_margin(_SHORT, p, count=sp.S.One), "the sum over the classes, undivided"),
        Variant("divided by C - 1", _multi_margin(_SHORT, p, count=C - 1), "the number of the other classes"),
        Variant(
            "with the right class", _multi_margin(_SHORT, p, wrong=sp.true), "the right class counts: margin/C more"
        ),
        Variant("squared", _multi_margin(_SHORT, sp.Integer(2)), "p=2"),
        Variant("sign lost", _multi_margin(margin + row[c] - row[j], p), "the scores are exchanged"),
    ),
    references=(
        Reference(
            "K. Crammer and Y. Singer, On the Algorithmic Implementation of Multiclass Kernel-based "
            "Vector Machines, JMLR 2 (2001)"
        ),
    ),
    aliases=("multi_margin_loss", "multiclass_hinge"),
    derivable=False,
)

_SEVERAL = Input(target, "target", SWITCH, encoding="class indices")
_SHORT_OF_ONE = 1 - row[c] + row[j]


def _multi_label(short: sp.Expr, power: sp.Expr = sp.S.One, count: sp.Expr = C) -> sp.Expr:
    return _pairs(short, power, _WRONG, sp.S.One, count)


MULTI_LABEL_MARGIN = Function(
    name="multi_label_margin",
    title="Hinge loss of a row of classes of which several are right",
    kind="loss",
    expression=_multi_label(_SHORT_OF_ONE),
    inputs=(Input(row, "prediction"), _SEVERAL),
    counterpart="torch.nn.MultiLabelMarginLoss",
    kinks=(
        Kink(_SHORT_OF_ONE, sp.Interval(0, 1), sp.S.Zero, "a pair just at the margin, for each right c and wrong j"),
    ),
    range=NOT_NEGATIVE,
    identities=(ROW_SHIFTED, PERMUTED),
    conventions=(
        ROW_MEAN,
        Convention("what the sum over the pairs is divided by", "the number of classes", "the number of pairs"),
        Convention("the target", "the places of the right classes, up to the first -1", "a row of zeros and ones"),
    ),
    variants=(
        Variant("not divided", _multi_label(_SHORT_OF_ONE, count=sp.S.One), "the sum over the pairs, undivided"),
        Variant("squared", _multi_label(_SHORT_OF_ONE, sp.Integer(2)), "the squares"),
        Variant("sign lost", _multi_label(1 + row[c] - row[j]), "right and wrong classes are exchanged"),
    ),
    aliases=("multi_label_margin_loss", "multilabel_hinge"),
    derivable=False,
)


def _each_label(right: sp.Expr, wrong: sp.Expr) -> sp.Expr:
    return _over_classes(weights[c] * (target[c] * right + (1 - target[c]) * wrong))


_COSTS = (sp.log(1 + sp.exp(-row[c])), sp.log(1 + sp.exp(row[c])))

MULTI_LABEL_SOFT_MARGIN = Function(
    name="multi_label_soft_margin",
    title="Binary cross-entropies of a row of logits, averaged",
    kind="loss",
    expression=_each_label(*_COSTS) / C,
    inputs=(Input(row, "prediction"), Input(target, "target", UNIT), WEIGHTS),
    counterpart="torch.nn.MultiLabelSoftMarginLoss",
    range=NOT_NEGATIVE,
    identities=(
        PERMUTED,
        Identity("the same for opposite logits and labels", {"x": -row[j], "t": 1 - target[j]}, VALUE),
    ),
    conventions=(
        ROW_MEAN,
        Convention("what the sum over the classes is divided by", "their number", "their summed weights"),
    ),
    variants=(
        Variant("not divided", _each_label(*_COSTS), "the sum over the classes, undivided"),
        Variant("the right classes only", _each_label(_COSTS[0], sp.S.Zero) / C, "the other term is missing"),
        Variant("negated", -_each_label(*_COSTS) / C, "the minus sign is missing"),
        Variant("of labels -1 and 1", _over_classes(sp.log(1 + sp.exp(-target[c] * row[c]))) / C, "SoftMarginLoss"),
    ),
    aliases=("multi_label_soft_margin_loss",),
    derivable=False,
)

ROWS = (
    CROSS_ENTROPY,
    CROSS_ENTROPY_PROBABILITIES,
    NLL,
    MULTI_MARGIN,
    MULTI_LABEL_MARGIN,
    MULTI_LABEL_SOFT_MARGIN,
    FOCAL_CLASSES,
)
