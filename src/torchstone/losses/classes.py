"""The losses of a choice among C classes: cross-entropy of logits, negative log-likelihood of log-probabilities."""

import operator

import torch
from torch import Tensor

from torchstone._checks import number
from torchstone.losses._base import Loss, weigh
from torchstone.losses._checks import class_indices, floats, one_device, probabilities, weights
from torchstone.losses._formula import differentiable
from torchstone.losses._rows import Index, Mixture, Picked, quiet


class _Classes(Loss):
    """A loss over classes, which stand in dimension 1 of a batch and in dimension 0 of a single sample."""

    weight: Tensor | None

    def __init__(self, weight: Tensor | None, ignore_index: int, reduction: str) -> None:
        super().__init__(reduction)
        self.register_buffer("weight", weights("weight", weight))
        if weight is not None and weight.ndim != 1:
            raise ValueError(f"weight: expected one number per class, got shape {tuple(weight.shape)}")
        if isinstance(ignore_index, bool) or not hasattr(ignore_index, "__index__"):
            raise TypeError(f"ignore_index: expected an integer, got {ignore_index!r}")
        self.ignore_index = operator.index(ignore_index)

    def _check(self, input: Tensor) -> None:
        if input.ndim == 0 or _last(input).shape[-1] == 0:
            wanted = "(C), (N, C) or (N, C, d1, ...) with C > 0"
            raise ValueError(f"input: expected a shape {wanted}, got {tuple(input.shape)}")
        classes = _last(input).shape[-1]
        if self.weight is not None and len(self.weight) != classes:
            raise ValueError(f"weight: expected one number for each of {classes} classes, got {len(self.weight)}")

    def _chosen(self, input: Tensor, target: Tensor) -> tuple[Tensor, Tensor | None]:
        """The classes, with 0 in place of ignored ones, and which ones those are (None: none)."""
        if target.dtype not in (torch.int64, torch.uint8):
            raise TypeError(f"target: expected class indices of dtype int64 or uint8, got {target.dtype}")
        one_device(input=input, target=target)
        ignored = class_indices("target", target, _last(input).shape[-1], self.ignore_index)
        chosen = target.long()
        return (chosen if ignored is None else chosen.masked_fill(ignored, 0)), ignored

    def _reduce_rows(self, rows: Tensor, weight: Tensor | None, chosen: Tensor, ignored: Tensor | None) -> Tensor:
        """The rows without the ignored ones, reduced; their mean divides by the weight of the chosen classes."""
        if weight is None:
            count = rows.numel() if ignored is None else (~ignored).sum()
        else:
            share = weight[chosen]
            count = (share if ignored is None else share.masked_fill(ignored, 0)).sum()
        return self.reduce(rows if ignored is None else rows.masked_fill(ignored, 0), count)


class CrossEntropyLoss(_Classes):
    """Cross-entropy of the classes that softmax gives to logits z.

        f = Σ_c w_c q_c (lse(z) - z_c)              lse(z) = log Σ_c exp(z_c),  p = softmax(z)
        df/dz_j = p_j Σ_c w_c q_c - w_j q_j         q = (1 - ε) t + ε / C
        df/dt_j = w_j (1 - ε) (lse(z) - z_j)        t: the target's probabilities, or 1 at its class and 0 elsewhere

    Args:
        weight: w, one constant per class.
        ignore_index: rows whose target is this index count for nothing, whatever their logits are: loss 0, gradient 0.
            It may be one of the classes or none of them; for class indices only.
        reduction: `none` keeps one term per row, `sum` adds them. `mean` divides their sum by the summed weight of the
            target classes that are not ignored; for probabilities by the number of rows, whatever w is.
        label_smoothing: ε in [0, 1].

    Shapes: input (C), (N, C) or (N, C, d1, ...). Target: class indices (), (N) or (N, d1, ...), or probabilities of the
    input's shape. The answer is a scalar, or of the indices' shape for `none`.
    Dtypes: input, probabilities and weight in float64, float32, bfloat16 or float16; half types are computed in float32
    and rounded once. Indices in int64 or uint8.

    Raises:
        ValueError: shapes or devices differ; probabilities outside [0, 1]; weight of another length, not finite or
            requiring a gradient; ε outside [0, 1]; ignore_index >= 0 with probabilities; an unknown reduction.
        IndexError: a target that is neither a class nor ignored.
        TypeError: a dtype is not one of these, or two floating ones differ.

    Conventions: natural logarithms. Probabilities need not sum to 1. A logit of -inf is a class that cannot be: it has
    gradient 0, and loss inf if it is asked for. The mean over nothing (an empty batch, all rows ignored, no weight) is
    NaN with gradient 0. The largest exponential is never added and taken away again, so a confident right answer keeps
    its loss and its gradient: 2.1e-9 for two logits 20 apart, where PyTorch has 0 in float32.

    >>> CrossEntropyLoss()(torch.tensor([[20.0, 0.0]]), torch.tensor([0]))
    tensor(2.0612e-09)
    >>> CrossEntropyLoss(reduction="none")(torch.zeros(2, 3), torch.tensor([2, -100]))
    tensor([1.0986, 0.0000])

    Source: C. Szegedy et al., Rethinking the Inception Architecture, CVPR 2016, section 7 (label smoothing).
    """

    def __init__(
        self,
        weight: Tensor | None = None,
        *,
        ignore_index: int = -100,
        reduction: str = "mean",
        label_smoothing: float = 0.0,
    ) -> None:
        super().__init__(weight, ignore_index, reduction)
        self.label_smoothing = number("label_smoothing", label_smoothing, 0, 1)

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """The loss of the input, in its dtype."""
        if isinstance(input, Tensor) and isinstance(target, Tensor) and input.shape == target.shape:
            return self._of_probabilities(input, target)
        (z, w), dtype = floats(input=input, weight=self.weight)
        self._check(input)
        _shape_of_indices(input, target, f" (class indices) or {tuple(input.shape)} (probabilities)")
        chosen, ignored = self._chosen(input, target)
        z = _last(z)
        if self.label_smoothing:
            # Here and below C q is formed, and C divides the row: one rounding less.
            eps, classes = self.label_smoothing, z.shape[-1]
            q = torch.full_like(z, eps).scatter(-1, chosen.unsqueeze(-1), classes * (1 - eps) + eps)
            rows = _mixture(quiet(z, ignored), q, w) / classes
        else:
            rows = weigh(None if w is None else w[chosen], differentiable(Index, z, chosen, ignored))
        return self._reduce_rows(rows, w, chosen, ignored).to(dtype)

    def _of_probabilities(self, input: Tensor, target: Tensor) -> Tensor:
        (z, t, w), dtype = floats(input=input, target=target, weight=self.weight)
        self._check(input)
        if self.ignore_index >= 0:
            raise ValueError(f"ignore_index: expected none with probabilities as target, got {self.ignore_index}")
        probabilities("target", target)
        z, t = _last(z), _last(t)
        if self.label_smoothing:
            eps, classes = self.label_smoothing, z.shape[-1]
            rows = _mixture(z, classes * (1 - eps) * t + eps, w) / classes
        else:
            rows = _mixture(z, t, w)
        return self.reduce(rows, rows.numel()).to(dtype)


class NLLLoss(_Classes):
    """Negative log-likelihood: minus the log-probability x of the target's class y.

        f = -w_y x_y        df/dx_j = -w_y where j = y, and 0 elsewhere

    Args:
        weight: w, one constant per class.
        ignore_index: rows whose target is this index count for nothing: loss 0, gradient 0.
        reduction: `none` keeps one term per row, `sum` adds them, `mean` divides their sum by the summed weight of the
            target classes that are not ignored.

    Shapes: input (C), (N, C) or (N, C, d1, ...). Target: class indices (), (N) or (N, d1, ...). The answer is a scalar,
    or of the target's shape for `none`.
    Dtypes: input and weight in float64, float32, bfloat16 or float16. Indices in int64 or uint8.

    Raises:
        ValueError: shapes or devices differ; weight of another length, not finite or requiring a gradient; an unknown
            reduction.
        IndexError: a target that is neither a class nor ignored.
        TypeError: a dtype is not one of these, or input and weight differ in it.

    Conventions: the input is not normalized nor checked to be log-probabilities. The mean over nothing (an empty batch,
    all rows ignored, no weight) is NaN with gradient 0.

    >>> NLLLoss()(torch.tensor([[-0.5, -1.0], [-3.0, -0.25]]), torch.tensor([0, 1]))
    tensor(0.3750)
    """

    def __init__(self, weight: Tensor | None = None, *, ignore_index: int = -100, reduction: str = "mean") -> None:
        super().__init__(weight, ignore_index, reduction)

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """The loss of the input, in its dtype."""
        (x, w), dtype = floats(input=input, weight=self.weight)
        self._check(input)
        _shape_of_indices(input, target, "")
        chosen, ignored = self._chosen(input, target)
        rows = weigh(None if w is None else w[chosen], differentiable(Picked, _last(x), chosen))
        return self._reduce_rows(rows, w, chosen, ignored).to(dtype)


def _mixture(z: Tensor, q: Tensor, w: Tensor | None) -> Tensor:
    return differentiable(Mixture, z, q if w is None else w * q)


def _last(x: Tensor) -> Tensor:
    """Classes in the last dimension."""
    return x.movedim(1, -1) if x.ndim > 1 else x


def _shape_of_indices(input: Tensor, target: object, alternative: str) -> None:
    if not isinstance(target, Tensor):
        raise TypeError(f"target: expected a tensor, got {type(target).__name__}")
    wanted = _last(input).shape[:-1]
    if target.shape != wanted:
        raise ValueError(f"target: expected shape {tuple(wanted)}{alternative}, got {tuple(target.shape)}")
