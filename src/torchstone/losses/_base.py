"""What all losses share: the reduction of their terms to one number."""

import torch
from torch import Tensor, nn

from torchstone._checks import read_for_free

REDUCTIONS = ("none", "mean", "sum")
# A power of two, so that scaling by it is exact; no tensor has so many terms that their scaled sum overflows.
SMALL = 2.0**-48


class Loss(nn.Module):
    """A loss with a `reduction`: `none` (every term), `mean` or `sum`."""

    def __init__(self, reduction: str = "mean") -> None:
        super().__init__()
        if not isinstance(reduction, str):
            raise TypeError(f"reduction: expected one of {', '.join(REDUCTIONS)}, got {reduction!r}")
        if reduction not in REDUCTIONS:
            raise ValueError(f"reduction: expected one of {', '.join(REDUCTIONS)}, got {reduction!r}")
        self.reduction = reduction

    def reduce(self, terms: Tensor, count: int | Tensor) -> Tensor:
        """The terms, their sum, or their sum over `count`."""
        if self.reduction == "none":
            return terms
        return terms.sum() if self.reduction == "sum" else mean(terms, count)


def mean(terms: Tensor, count: int | Tensor) -> Tensor:
    """Σ terms / count, which overflows only where the mean itself does. Over nothing it is NaN, with gradient 0."""
    total = terms.sum()
    seen = read_for_free(total)
    if seen is not None and not seen.isinf().any():
        return _over(total, count)
    scale = torch.where(total.detach().isinf(), SMALL, 1.0).to(terms.dtype)
    return _over((terms * scale).sum(), count) / scale


def _over(total: Tensor, count: int | Tensor) -> Tensor:
    if not isinstance(count, Tensor):
        return total / count
    nothing = count == 0
    return torch.where(nothing, torch.nan, total / torch.where(nothing, 1, count))


def weigh(weight: Tensor | None, terms: Tensor) -> Tensor:
    """The weighted terms; a weight of 0 silences an infinite one."""
    if weight is None:
        return terms
    return torch.where((weight == 0) & terms.isinf(), 0, weight * terms)
