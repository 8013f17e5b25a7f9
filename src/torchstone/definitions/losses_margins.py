"""The losses that compare two or three predictions, as mathematics."""

from dataclasses import dataclass

import sympy as sp

from torchstone.definitions.core import (
    FREE,
    VALUE,
    Convention,
    Function,
    Identity,
    Input,
    Kink,
    Limit,
    Reference,
    Variant,
)
from torchstone.definitions.losses_common import (
    CLASSES,
    MEAN,
    NOT_NEGATIVE,
    ROW_MEAN,
    SIGN_LABELS,
    SIGNS,
    SWITCH,
    C,
    c,
    eps,
    hull,
    j,
    margin,
    margin_of,
    p,
    positive_part,
    swap,
    t,
    x,
)

x1, x2 = sp.symbols("x1 x2", real=True)
_LABEL = Input(t, "target", SIGNS)
_AT_MARGIN = Convention("the slope at the margin", "that of a pair beyond it, as of clamp", "0, as of relu")
_GAP = margin - t * (x1 - x2)

MARGIN_RANKING = Function(
    name="margin_ranking",
    title="Hinge loss of the order of two scores",
    kind="loss",
    expression=positive_part(_GAP),
    inputs=(Input(x1, "prediction"), Input(x2, "prediction"), _LABEL, margin_of(0)),
    counterpart="torch.nn.MarginRankingLoss",
    limits=(
        Limit(-sp.oo, sp.Piecewise((_GAP, t > 0), (0, True)), sp.Piecewise((-t, t > 0), (0, True))),
        Limit(sp.oo, sp.Piecewise((_GAP, t < 0), (0, True)), sp.Piecewise((-t, t < 0), (0, True))),
    ),
    kinks=(Kink(_GAP, hull(sp.S.Zero, -t), -t, "a pair just at the margin"),),
    range=NOT_NEGATIVE,
    identities=(
        Identity("the same for the scores exchanged and the other label", {"x1": x2, "x2": x1, "t": -t}, VALUE),
        Identity("a function of x1 - x2", {"x1": x1 + FREE, "x2": x2 + FREE}, VALUE),
    ),
    conventions=(MEAN, SIGN_LABELS, _AT_MARGIN),
    variants=(
        Variant("sign lost", positive_part(margin + t * (x1 - x2)), "-t became t: the order is exchanged"),
        Variant("margin's sign", positive_part(-t * (x1 - x2) - margin), "the margin is taken off"),
        Variant("not cut off", _GAP, "max(0, ...) is missing"),
        Variant("squared", positive_part(_GAP) ** 2, "the square"),
    ),
    aliases=("margin_ranking_loss", "ranking_loss", "pairwise_ranking"),
    derivable=False,
)

_ALIKE = t > 0

HINGE_EMBEDDING = Function(
    name="hinge_embedding",
    title="Hinge loss of a distance, with labels -1 and 1",
    kind="loss",
    expression=sp.Piecewise((x, _ALIKE), (margin - x, x <= margin), (0, True)),
    inputs=(Input(x, "prediction"), _LABEL, margin_of(1)),
    counterpart="torch.nn.HingeEmbeddingLoss",
    limits=(
        Limit(-sp.oo, sp.Piecewise((x, _ALIKE), (margin - x, True)), sp.Piecewise((1, _ALIKE), (-1, True))),
        Limit(sp.oo, sp.Piecewise((x, _ALIKE), (0, True)), sp.Piecewise((1, _ALIKE), (0, True))),
    ),
    kinks=(
        Kink(
            margin - x,
            sp.Interval(t, sp.Piecewise((1, _ALIKE), (0, True))),
            t,
            "where t is -1: a distance just at the margin",
        ),
    ),
    conventions=(
        MEAN,
        SIGN_LABELS,
        _AT_MARGIN,
        Convention("what is given", "a distance", "the two embeddings: then it is a contrastive loss"),
    ),
    variants=(
        Variant(
            "labels exchanged", sp.Piecewise((x, t < 0), (margin - x, x <= margin), (0, True)), "-1 is taken for alike"
        ),
        Variant("not cut off", sp.Piecewise((x, _ALIKE), (margin - x, True)), "max(0, ...) is missing"),
        Variant("the hinge loss", positive_part(margin - t * x), "max(0, margin - t x), for both labels"),
        Variant(
            "squared",
            sp.Piecewise((x**2, _ALIKE), ((margin - x) ** 2, x <= margin), (0, True)),
            "the contrastive loss's squares",
        ),
    ),
    aliases=("hinge_embedding_loss",),
    derivable=False,
)

u, v = sp.IndexedBase("x1"), sp.IndexedBase("x2")
# What PyTorch adds to the square of each length, against a division by zero.
_TINY = sp.Rational(1, 10**12)


def _dot(first: sp.IndexedBase, second: sp.IndexedBase) -> sp.Expr:
    return sp.Sum(first[c] * second[c], CLASSES)


_COSINE = _dot(u, v) / sp.sqrt((_dot(u, u) + _TINY) * (_dot(v, v) + _TINY))
_PLAIN_COSINE = sp.Piecewise(
    (0, sp.Eq(_dot(u, u) * _dot(v, v), 0)), (_dot(u, v) / sp.sqrt(_dot(u, u) * _dot(v, v)), True)
)


def _by_label(cosine: sp.Expr, power: int = 1) -> sp.Expr:
    return sp.Piecewise((1 - cosine, _ALIKE), ((cosine - margin) ** power, cosine >= margin), (0, True))


COSINE_EMBEDDING = Function(
    name="cosine_embedding",
    title="Loss of the angle between two vectors, with labels -1 and 1",
    kind="loss",
    expression=_by_label(_COSINE),
    inputs=(
        Input(u, "prediction"),
        Input(v, "prediction"),
        _LABEL,
        Input(margin, "parameter", sp.Interval(-1, 1), default=sp.S.Zero),
    ),
    counterpart="torch.nn.CosineEmbeddingLoss",
    kinks=(Kink(_COSINE - margin, sp.Interval(0, 1), sp.S.One, "where t is -1: an angle just at the margin"),),
    range=NOT_NEGATIVE,
    identities=(
        Identity("the same with the vectors exchanged", {"x1": v[j], "x2": u[j]}, VALUE),
        Identity("the same for opposite vectors", {"x1": -u[j], "x2": -v[j]}, VALUE),
        Identity("the order of the components does not matter", {"x1": u[C - 1 - j], "x2": v[C - 1 - j]}, VALUE),
    ),
    conventions=(
        ROW_MEAN,
        SIGN_LABELS,
        _AT_MARGIN,
        Convention(
            "a vector of length 0",
            "1e-12 is added to the square of each length: the cosine is 0",
            "each length is at least 1e-8 (cosine_similarity); or 0/0",
            accepted=_by_label(_PLAIN_COSINE),
        ),
    ),
    variants=(
        Variant(
            "labels exchanged",
            sp.Piecewise((1 - _COSINE, t < 0), (_COSINE - margin, margin <= _COSINE), (0, True)),
            "-1 is taken for alike",
        ),
        Variant("not divided", _by_label(_dot(u, v)), "the dot product is not divided by the lengths"),
        Variant("not cut off", sp.Piecewise((1 - _COSINE, _ALIKE), (_COSINE - margin, True)), "max(0, ...) is missing"),
        Variant("the cosine itself", sp.Piecewise((_COSINE, _ALIKE), (1 - _COSINE, True)), "1 - cos is exchanged"),
        Variant("squared", _by_label(_COSINE, 2), "the square of what exceeds the margin"),
    ),
    aliases=("cosine_embedding_loss", "cosine_loss"),
    derivable=False,
)

anchor, positive, negative = (sp.IndexedBase(name) for name in ("anchor", "positive", "negative"))


@dataclass(frozen=True)
class _Distance:
    """The length of a difference: the root of the sum of the powers of its components."""

    total: sp.Expr
    power: sp.Expr

    @property
    def length(self) -> sp.Expr:
        """The length, for a comparison."""
        return self.total ** (1 / self.power)

    @property
    def guarded(self) -> sp.Expr:
        """The length, with the gradient 0 where it is 0."""
        return sp.Piecewise((0, sp.Eq(self.total, 0)), (self.length, True))


def _distance(first: sp.IndexedBase, second: sp.IndexedBase, power: sp.Expr, tiny: sp.Expr) -> _Distance:
    return _Distance(sp.Sum(sp.Abs(first[c] - second[c] + tiny) ** power, CLASSES), power)


def _triplet(power: sp.Expr, tiny: sp.Expr) -> sp.Expr:
    near, far, across = (
        _distance(*pair, power, tiny) for pair in ((anchor, positive), (anchor, negative), (positive, negative))
    )
    swapped = sp.Eq(swap, 1)
    gaps = (
        (near.guarded - across.guarded, near.length - across.length, swapped & (across.total < far.total)),
        # Where both are equally far, PyTorch's minimum gives each half of the gradient.
        (
            near.guarded - (far.guarded + across.guarded) / 2,
            near.length - far.length,
            swapped & sp.Eq(across.total, far.total),
        ),
        (near.guarded - far.guarded, near.length - far.length, sp.true),
    )
    branches = [
        branch
        for gap, plain, where in gaps
        for branch in ((gap + margin, where & (plain + margin >= 0)), (sp.S.Zero, where))
    ]
    return sp.Piecewise(*branches, evaluate=False)


def _plain_triplet(near: sp.Expr, far: sp.Expr) -> sp.Expr:
    return positive_part(near - far + margin)


def _at_margin(power: sp.Expr, tiny: sp.Expr) -> Kink:
    """The kink of a triplet; the slopes are those with respect to its locus."""
    near, far = (_distance(anchor, other, power, tiny).length for other in (positive, negative))
    return Kink(near - far + margin, sp.Interval(0, 1), sp.S.One, "a triplet just at the margin")


_THREE = (Input(anchor, "prediction"), Input(positive, "prediction"), Input(negative, "prediction"))
_SWAP = Input(swap, "parameter", SWITCH, default=sp.S.Zero)
_NEAR, _FAR = (_distance(anchor, other, sp.Integer(2), sp.S.Zero).length for other in (positive, negative))
_NO_EPS = Convention(
    "eps",
    "added to each difference",
    "none: the plain distance, whose gradient is then set to 0 for equal vectors",
    accepted=_triplet(p, sp.S.Zero),
)
_TRIPLET_VARIANTS = (
    Variant("squared distances", _plain_triplet(_NEAR**2, _FAR**2), "FaceNet's: the squares of the distances"),
    Variant("exchanged", _plain_triplet(_FAR, _NEAR), "positive and negative are exchanged"),
    Variant("margin's sign", positive_part(_NEAR - _FAR - margin), "the margin is taken off"),
    Variant("not cut off", _NEAR - _FAR + margin, "max(0, ...) is missing"),
    Variant("no margin", positive_part(_NEAR - _FAR), "the margin is missing"),
)
_TRIPLET_IDENTITIES = (
    Identity(
        "the order of the components does not matter",
        {str(base): base[C - 1 - j] for base in (anchor, positive, negative)},
        VALUE,
    ),
)
_BALNTAS = Reference(
    "V. Balntas et al., Learning Local Feature Descriptors with Triplets and Shallow CNNs, BMVC 2016", "eq. 2 and 4"
)

TRIPLET_MARGIN = Function(
    name="triplet_margin",
    title="Hinge loss of an anchor's distances from one like it and one unlike it",
    kind="loss",
    expression=_triplet(p, eps),
    inputs=(
        *_THREE,
        margin_of(1),
        Input(p, "parameter", sp.Interval(1, sp.oo), default=sp.Integer(2)),
        Input(eps, "parameter", NOT_NEGATIVE, default=sp.Rational(1, 10**6)),
        _SWAP,
    ),
    counterpart="torch.nn.TripletMarginLoss",
    kinks=(_at_margin(p, eps),),
    range=NOT_NEGATIVE,
    identities=_TRIPLET_IDENTITIES,
    conventions=(ROW_MEAN, _AT_MARGIN, _NO_EPS, Convention("the distance", "the length", "its square (FaceNet)")),
    variants=_TRIPLET_VARIANTS,
    references=(_BALNTAS,),
    aliases=("triplet", "triplet_loss", "triplet_margin_loss"),
    derivable=False,
)

_FIXED = (sp.Integer(2), sp.Rational(1, 10**6))

TRIPLET_MARGIN_WITH_DISTANCE = Function(
    name="triplet_margin_with_distance",
    title="Hinge loss of an anchor's distances, with the distance of one's choice: here the Euclidean",
    kind="loss",
    expression=_triplet(*_FIXED),
    inputs=(*_THREE, margin_of(1), _SWAP),
    counterpart="torch.nn.TripletMarginWithDistanceLoss",
    kinks=(_at_margin(*_FIXED),),
    range=NOT_NEGATIVE,
    identities=_TRIPLET_IDENTITIES,
    conventions=(
        ROW_MEAN,
        _AT_MARGIN,
        Convention("eps", "1e-6, added to each difference", accepted=_triplet(_FIXED[0], sp.S.Zero)),
    ),
    variants=_TRIPLET_VARIANTS,
    references=(_BALNTAS,),
    aliases=("triplet_margin_with_distance_loss",),
    derivable=False,
)

MARGINS = (MARGIN_RANKING, HINGE_EMBEDDING, COSINE_EMBEDDING, TRIPLET_MARGIN, TRIPLET_MARGIN_WITH_DISTANCE)
