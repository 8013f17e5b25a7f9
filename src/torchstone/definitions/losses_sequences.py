"""The loss of a sequence of labels whose places in time are not known, as mathematics."""

import sympy as sp

from torchstone.definitions.core import FREE, VALUE, Convention, Function, Identity, Input, Reference, Variant
from torchstone.definitions.losses_common import NOT_NEGATIVE, SWITCH, C, c

x, t = sp.IndexedBase("x"), sp.IndexedBase("t")
blank, zero_infinity = sp.Symbol("blank", integer=True), sp.Symbol("zero_infinity", real=True)
s, n = sp.symbols("s n", integer=True, nonnegative=True)
T, P = sp.symbols("T P", integer=True, positive=True)  # how many frames, and how many alignments

# t[n, s] is what the n-th alignment says in frame s. An alignment is a sequence of T classes that becomes the
# labels when equal neighbours are merged and then blanks are dropped.
_TOTAL = sp.Sum(sp.exp(sp.Sum(x[s, t[n, s]], (s, 0, T - 1))), (n, 0, P - 1))
_IMPOSSIBLE = sp.Piecewise((0, sp.Eq(zero_infinity, 1)), (sp.oo, True))
_LOSS = sp.Piecewise((_IMPOSSIBLE, sp.Eq(_TOTAL, 0)), (-sp.log(_TOTAL), True))
_EXCESS = sp.Sum(sp.Sum(sp.exp(x[s, c]), (c, 0, C - 1)) - 1, (s, 0, T - 1))

CTC = Function(
    name="ctc",
    title="Negative log-likelihood of a sequence of labels, over all alignments",
    kind="loss",
    expression=_LOSS,
    inputs=(
        Input(x, "prediction", sp.Interval(-sp.oo, 0)),
        Input(t, "target", sp.S.Naturals0, encoding="labels in sequence"),
        Input(blank, "parameter", sp.S.Naturals0, default=sp.S.Zero),
        Input(zero_infinity, "parameter", SWITCH, default=sp.S.Zero),
    ),
    counterpart="torch.nn.CTCLoss",
    range=NOT_NEGATIVE,
    identities=(
        Identity("shifted together: T times the shift less", {"x": x[s, c] + FREE}, VALUE - T * FREE),
        Identity("the same for everything in reverse", {"x": x[T - 1 - s, c], "t": t[n, T - 1 - s]}, VALUE),
    ),
    conventions=(
        Convention(
            "the gradient by the log-probabilities",
            "minus the share of the alignments that pass there",
            "PyTorch adds e^x: the gradient by logits, for x is taken to come from log-softmax, which makes both equal",
            accepted=_LOSS + _EXCESS,
        ),
        Convention(
            "the mean", "each loss over its number of labels, at least 1; then over the batch", "the plain mean"
        ),
        Convention("a target that does not fit", "infinity; with zero_infinity, 0 with the gradient 0", ""),
    ),
    variants=(
        Variant("negated", -_LOSS, "the sign is lost"),
        Variant("the likelihood", _TOTAL, "the logarithm is missing"),
        Variant("per frame", _LOSS / T, "divided by the number of frames"),
    ),
    references=(Reference("A. Graves et al., Connectionist Temporal Classification, ICML 2006", "eq. 8"),),
    aliases=("ctc_loss", "connectionist_temporal_classification"),
    derivable=False,
)

SEQUENCES = (CTC,)
