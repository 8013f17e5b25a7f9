"""Subjects for the rules on losses: clean ones, in the styles that people write."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from torchstone.check.mutants import clean
from torchstone.check.mutants.losses import reduced, same


class _FlooredEntropy(torch.autograd.Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(prediction: Tensor, target: Tensor) -> Tensor:
        return -(target * prediction.log().clamp(min=-100) + (1 - target) * torch.log1p(-prediction).clamp(min=-100))

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        prediction, target = ctx.saved_tensors
        return grad * (prediction - target) / (prediction * (1 - prediction)).clamp(min=1e-12), None


@clean("L101", "L104", "L105", "L106", "L107", "L108", "L110", "L112", "L113", definition="bce")
def bce_of_floored_logarithms(prediction: Tensor, target: Tensor) -> Tensor:
    """The logarithm is bounded, not its argument: PyTorch's own convention."""
    same(prediction, target)
    result: Tensor = _FlooredEntropy.apply(prediction, target)
    return result.mean()


@clean(
    "L101", "L102", "L103", "L104", "L105", "L106", "L107", "L108", "L110", "L111", "L112", "L113", definition="huber"
)
class HuberByClamping(nn.Module):
    """Square and line in one: d (r - d/2) with d = min(r, delta)."""

    def __init__(self, delta: float = 1.0, reduction: str = "mean") -> None:
        super().__init__()
        if reduction not in ("none", "mean", "sum"):
            raise ValueError(f"reduction: expected none, mean or sum, got {reduction!r}")
        if not delta > 0:
            raise ValueError(f"delta: expected a positive number, got {delta}")
        self.delta, self.reduction = delta, reduction

    def forward(self, prediction: Tensor, target: Tensor) -> Tensor:
        same(prediction, target)
        residual = (prediction - target).abs()
        inner = residual.clamp(max=self.delta)
        return reduced(inner * (residual - inner / 2), self.reduction)


@clean("L101", "L105", "L106", "L107", "L111", "L112", "L113", definition="cross_entropy")
class CrossEntropyByGathering(nn.Module):
    """With weights, smoothing and an ignored index."""

    weight: Tensor | None

    def __init__(self, weight: Tensor | None = None, ignore_index: int = -100, label_smoothing: float = 0.0) -> None:
        super().__init__()
        if not 0 <= label_smoothing <= 1:
            raise ValueError(f"label_smoothing: expected a number in [0, 1], got {label_smoothing}")
        self.register_buffer("weight", weight)
        self.ignore_index, self.label_smoothing = ignore_index, label_smoothing

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        kept = target != self.ignore_index
        safe = target.masked_fill(~kept, 0).unsqueeze(1)
        weight = logits.new_ones(logits.shape[1]) if self.weight is None else self.weight
        costs = -torch.log_softmax(logits, dim=1)
        each = weight[safe.squeeze(1)] * kept
        plain = costs.gather(1, safe).squeeze(1) * each
        shaped = weight.reshape(-1, *[1] * (logits.dim() - 2))
        smooth = (costs * shaped).mean(dim=1) * kept
        wide = torch.promote_types(logits.dtype, torch.float32)
        total = (1 - self.label_smoothing) * plain.sum(dtype=wide)
        if self.label_smoothing:
            total = total + self.label_smoothing * smooth.sum(dtype=wide)
        return (total / each.sum(dtype=wide)).to(logits.dtype)


@clean("L101", "L109", "L110", "L112", definition="mse")
def mean_squared_error_target_first(y_true: Tensor, y_pred: Tensor) -> Tensor:
    """The target comes first."""
    same(y_pred, y_true)
    residual = y_pred.sub(y_true)
    return (residual * residual.conj()).mean()


@clean("L107", kind="loss", inputs="prediction float[N,d] in [0,1]; target float[N,d] in {0,1}")
def soft_dice(prediction: Tensor, target: Tensor) -> Tensor:
    """Overlap over a whole batch: its samples belong together."""
    same(prediction, target)
    overlap = (prediction * target).sum()
    return 1 - (2 * overlap + 1) / (prediction.sum() + target.sum() + 1)


@clean("L107", kind="loss", inputs="prediction float[N,d]; target float[N,d]; mask float[N,d] in {0,1}")
def mean_over_a_mask(prediction: Tensor, target: Tensor, mask: Tensor) -> Tensor:
    """Divided by what counts in the whole batch."""
    same(prediction, target)
    same(prediction, mask)
    return ((prediction - target).square() * mask).sum() / mask.sum().clamp(min=1)


@clean("G001", kind="loss", inputs="first float[N,d]; second float[N,d]")
def contrastive_of_pairs(first: Tensor, second: Tensor) -> Tensor:
    """Each sample's own partner against all others of the batch."""
    first, second = (F.normalize(each, dim=1) for each in (first, second))
    similar = first @ second.T / 0.5
    return (torch.logsumexp(similar, dim=1) - similar.diagonal()).mean()


@clean("L103", "L105", "L106", kind="loss", inputs="prediction float[N,d]; target float[N,d]")
class CauchyLoss(nn.Module):
    """A loss of nobody's catalogue."""

    def __init__(self, reduction: str = "mean") -> None:
        super().__init__()
        if reduction not in ("none", "mean", "sum"):
            raise ValueError(f"reduction: expected none, mean or sum, got {reduction!r}")
        self.reduction = reduction

    def forward(self, prediction: Tensor, target: Tensor) -> Tensor:
        same(prediction, target)
        return reduced(torch.log1p((prediction - target).square() / 2), self.reduction)
