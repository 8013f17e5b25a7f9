"""The losses of two classes, as mathematics: of a probability, of a logit, of a score with labels -1 and 1."""

import sympy as sp

from torchstone.definitions.core import VALUE, Convention, Function, Identity, Input, Kink, Limit, Reference, Variant
from torchstone.definitions.losses_common import (
    FLIPPED,
    MEAN,
    NOT_NEGATIVE,
    SIGN_LABELS,
    SIGNS,
    SWITCH,
    UNIT,
    WEIGHT,
    alpha,
    gamma,
    hull,
    p,
    pos_weight,
    positive_part,
    share_of_log,
    t,
    weight,
    x,
)

# PyTorch's floor. Beyond it a logarithm counts as -100, so that a certain and wrong prediction costs 100, not infinity.
FLOOR = -100


def _floored_log(argument: sp.Expr) -> sp.Expr:
    return sp.Piecewise((sp.log(argument), argument > sp.exp(FLOOR)), (sp.Integer(FLOOR), True))


BCE = Function(
    name="bce",
    title="Binary cross-entropy of a probability",
    kind="loss",
    expression=-weight * (t * _floored_log(p) + (1 - t) * _floored_log(1 - p)),
    inputs=(Input(p, "prediction", UNIT), Input(t, "target", UNIT), WEIGHT),
    counterpart="torch.nn.BCELoss",
    range=NOT_NEGATIVE,
    identities=(Identity("the same with both classes exchanged", {"p": 1 - p, "t": 1 - t}, VALUE),),
    minimum_at_target=True,
    gradient_overrides={
        "p": weight
        * sp.Piecewise(
            ((p - t) / (p * (1 - p)), (p > 0) & (p < 1)),
            (1 - 2 * p, sp.Eq(p, t)),
            ((p - t) * 10**12, True),
        )
    },
    conventions=(
        MEAN,
        Convention(
            "the logarithm of 0",
            "floored at -100",
            "the plain logarithm: infinity; or clamping p, which also stops the gradient",
            accepted=-weight * (share_of_log(t, p) + share_of_log(1 - t, 1 - p)),
        ),
        Convention("the gradient beyond the floor", "that of the logarithm itself", "0, as of a clamp"),
        Convention("the gradient at a certain and wrong prediction", "1e12 in size, for infinity", ""),
    ),
    variants=(
        Variant("the positive class only", -weight * t * sp.log(p), "(1 - t) log(1 - p) is missing"),
        Variant("log is missing", -weight * (t * p + (1 - t) * (1 - p)), "the probabilities, not their logarithms"),
        Variant("negated", weight * (t * sp.log(p) + (1 - t) * sp.log(1 - p)), "the minus sign is missing"),
        Variant(
            "exchanged", -weight * (p * sp.log(t) + (1 - p) * sp.log(1 - t)), "prediction and target are exchanged"
        ),
        Variant("in bits", -weight * (t * sp.log(p) + (1 - t) * sp.log(1 - p)) / sp.log(2), "logarithms to base 2"),
    ),
    aliases=("bce_loss", "binary_cross_entropy", "log_loss"),
)

_SOFTPLUS, _SOFTPLUS_MIRRORED = sp.log(1 + sp.exp(x)), sp.log(1 + sp.exp(-x))

BCE_WITH_LOGITS = Function(
    name="bce_with_logits",
    title="Binary cross-entropy of a logit",
    kind="loss",
    expression=weight * (pos_weight * t * _SOFTPLUS_MIRRORED + (1 - t) * _SOFTPLUS),
    inputs=(
        Input(x, "prediction"),
        Input(t, "target", UNIT),
        WEIGHT,
        Input(pos_weight, "parameter", NOT_NEGATIVE, default=sp.S.One),
    ),
    counterpart="torch.nn.BCEWithLogitsLoss",
    limits=(
        Limit(-sp.oo, -weight * sp.Piecewise((0, sp.Eq(t, 0)), (pos_weight * t * x, True)), -weight * pos_weight * t),
        Limit(sp.oo, weight * sp.Piecewise((0, sp.Eq(t, 1)), ((1 - t) * x, True)), weight * (1 - t)),
    ),
    range=NOT_NEGATIVE,
    identities=(
        Identity(
            "the same with both classes exchanged",
            {"x": -x, "t": 1 - t, "weight": weight * pos_weight, "pos_weight": 1 / pos_weight},
            VALUE,
        ),
    ),
    conventions=(MEAN, Convention("what pos_weight multiplies", "the term of the positive class only", "")),
    variants=(
        Variant("labels -1 and 1", sp.log(1 + sp.exp(-t * x)), "the other convention for labels"),
        Variant("the positive class only", weight * pos_weight * t * _SOFTPLUS_MIRRORED, "the other term is missing"),
        Variant(
            "of a probability",
            -weight * (t * sp.log(sp.Abs(x)) + (1 - t) * sp.log(sp.Abs(1 - x))),
            "the sigmoid is missing",
        ),
        Variant("negated", -weight * (pos_weight * t * _SOFTPLUS_MIRRORED + (1 - t) * _SOFTPLUS), "the sign is lost"),
        Variant(
            "pos_weight for both classes",
            weight * pos_weight * (t * _SOFTPLUS_MIRRORED + (1 - t) * _SOFTPLUS),
            "pos_weight is no weight of an element: it is meant for the positive class alone",
        ),
    ),
    aliases=("bce_with_logits_loss", "binary_cross_entropy_with_logits", "bce_logits", "sigmoid_cross_entropy"),
)

_LABEL = Input(t, "target", SIGNS)


def _of_positive(value: sp.Expr) -> sp.Expr:
    return sp.Piecewise((value, t > 0), (0, True))


def _of_negative(value: sp.Expr) -> sp.Expr:
    return sp.Piecewise((value, t < 0), (0, True))


SOFT_MARGIN = Function(
    name="soft_margin",
    title="Logistic loss of a score, with labels -1 and 1",
    kind="loss",
    expression=sp.log(1 + sp.exp(-t * x)),
    inputs=(Input(x, "prediction"), _LABEL),
    counterpart="torch.nn.SoftMarginLoss",
    limits=(
        Limit(-sp.oo, _of_positive(-t * x), _of_positive(-t)),
        Limit(sp.oo, _of_negative(-t * x), _of_negative(-t)),
    ),
    range=NOT_NEGATIVE,
    identities=(FLIPPED,),
    conventions=(MEAN, SIGN_LABELS),
    variants=(
        Variant("sign lost", sp.log(1 + sp.exp(t * x)), "it grows as the prediction improves"),
        Variant("in bits", sp.log(1 + sp.exp(-t * x)) / sp.log(2), "the logarithm to base 2"),
        Variant("labels 0 and 1", t * _SOFTPLUS_MIRRORED + (1 - t) * _SOFTPLUS, "the other convention for labels"),
    ),
    aliases=("soft_margin_loss", "logistic", "logistic_loss"),
    derivable=False,
)

_SHORT = 1 - t * x  # what the score falls short of the margin

HINGE = Function(
    name="hinge",
    title="Hinge loss of a score, with labels -1 and 1",
    kind="loss",
    expression=sp.Piecewise((_SHORT, _SHORT > 0), (0, True)),
    inputs=(Input(x, "prediction"), _LABEL),
    counterpart="",
    limits=(
        Limit(-sp.oo, _of_positive(_SHORT), _of_positive(-t)),
        Limit(sp.oo, _of_negative(_SHORT), _of_negative(-t)),
    ),
    kinks=(Kink(_SHORT, hull(sp.S.Zero, -t), sp.S.Zero, "a score at the margin"),),
    range=NOT_NEGATIVE,
    identities=(FLIPPED,),
    conventions=(MEAN, SIGN_LABELS, Convention("the slope at the margin", "0, as of relu", "-t, as of clamp")),
    variants=(
        Variant("no margin", positive_part(-t * x), "the margin 1 is missing: the perceptron's loss"),
        Variant("sign lost", positive_part(1 + t * x), "it grows as the prediction improves"),
        Variant("squared", positive_part(_SHORT) ** 2, "the squared hinge loss"),
        Variant("not cut off", _SHORT, "max(0, ...) is missing"),
    ),
    references=(Reference("C. Cortes and V. Vapnik, Support-Vector Networks, Machine Learning 20 (1995)"),),
    aliases=("hinge_loss", "svm_loss"),
    derivable=False,
)

SQUARED_HINGE = Function(
    name="squared_hinge",
    title="Squared hinge loss of a score, with labels -1 and 1",
    kind="loss",
    expression=sp.Piecewise((_SHORT**2, _SHORT > 0), (0, True)),
    inputs=(Input(x, "prediction"), _LABEL),
    counterpart="",
    limits=(
        Limit(-sp.oo, _of_positive(_SHORT**2), _of_positive(-2 * t * _SHORT)),
        Limit(sp.oo, _of_negative(_SHORT**2), _of_negative(-2 * t * _SHORT)),
    ),
    range=NOT_NEGATIVE,
    identities=(FLIPPED,),
    conventions=(MEAN, SIGN_LABELS, Convention("the factor 1/2", "none", "the L2-SVM that halves the square")),
    variants=(
        Variant("halved", sp.Piecewise((_SHORT**2 / 2, _SHORT > 0), (0, True)), "a factor 1/2"),
        Variant("not squared", positive_part(_SHORT), "the hinge loss itself"),
        Variant("not cut off", _SHORT**2, "max(0, ...) is missing"),
    ),
    aliases=("squared_hinge_loss",),
    derivable=False,
)

_CROSS_ENTROPY = t * _SOFTPLUS_MIRRORED + (1 - t) * _SOFTPLUS
# 1 - p_t, which is p (1 - t) + (1 - p) t, written without a difference.
_MISSED = (1 - t) / (1 + sp.exp(-x)) + t / (1 + sp.exp(x))
_BALANCE = sp.Piecewise((alpha * t + (1 - alpha) * (1 - t), alpha >= 0), (1, True))

FOCAL = Function(
    name="focal",
    title="Focal loss of a logit",
    kind="loss",
    expression=_BALANCE * _MISSED**gamma * _CROSS_ENTROPY,
    inputs=(
        Input(x, "prediction"),
        Input(t, "target", SWITCH),
        Input(alpha, "parameter", default=sp.Rational(1, 4)),
        Input(gamma, "parameter", NOT_NEGATIVE, default=sp.Integer(2)),
    ),
    counterpart="",
    limits=(
        Limit(
            -sp.oo,
            sp.Piecewise((0, sp.Eq(t, 0)), (-_BALANCE * t**gamma * t * x, True)),
            sp.Piecewise((0, sp.Eq(t, 0)), (-_BALANCE * t**gamma * t, True)),
        ),
        Limit(
            sp.oo,
            sp.Piecewise((0, sp.Eq(t, 1)), (_BALANCE * (1 - t) ** gamma * (1 - t) * x, True)),
            sp.Piecewise((0, sp.Eq(t, 1)), (_BALANCE * (1 - t) ** gamma * (1 - t), True)),
        ),
    ),
    range=NOT_NEGATIVE,
    identities=(Identity("the same with both classes exchanged", {"x": -x, "t": 1 - t, "alpha": 1 - alpha}, VALUE),),
    conventions=(
        MEAN,
        Convention("the balance", "alpha for the positive class, 1 - alpha for the other; none below 0 (torchvision)"),
        Convention("what the mean divides by", "the number of elements", "the number of positives (RetinaNet)"),
        Convention("labels between 0 and 1", "none: the paper has two classes", "torchvision blends both terms"),
    ),
    variants=(
        Variant("no balance", _MISSED**gamma * _CROSS_ENTROPY, "alpha is missing"),
        Variant("alpha for both classes", alpha * _MISSED**gamma * _CROSS_ENTROPY, "1 - alpha is missing"),
        Variant("p_t for 1 - p_t", _BALANCE * (1 - _MISSED) ** gamma * _CROSS_ENTROPY, "weighs the easy ones more"),
        Variant("no focus", _BALANCE * _CROSS_ENTROPY, "(1 - p_t)^gamma is missing: the balanced cross-entropy"),
        Variant(
            "balance exchanged",
            ((1 - alpha) * t + alpha * (1 - t)) * _MISSED**gamma * _CROSS_ENTROPY,
            "alpha weighs the negative class",
        ),
    ),
    references=(Reference("T. Lin et al., Focal Loss for Dense Object Detection, ICCV 2017", "eq. 5"),),
    aliases=("focal_loss", "sigmoid_focal", "sigmoid_focal_loss", "binary_focal"),
    derivable=False,
)

BINARY = (BCE, BCE_WITH_LOGITS, SOFT_MARGIN, HINGE, SQUARED_HINGE, FOCAL)
