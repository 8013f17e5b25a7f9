"""Losses of sequences of labels: what a batch of them holds, and where to look.

A batch is called as PyTorch's CTCLoss is: log-probabilities (T, N, C), labels (N, S) or one after another, and how
many frames and labels of each sequence count.
"""

from collections.abc import Iterator, Mapping, Sequence

import torch
from torch import Tensor

from torchstone.check.entries import Entry
from torchstone.definitions import Function

FRAMES, LABELS = "input_lengths", "target_lengths"  # the symbols of the inputs that say what counts


def is_of_sequences(function: Function | None) -> bool:
    """Whether a definition is that of a loss of sequences."""
    return function is not None and any(entry.encoding == "labels in sequence" for entry in function.inputs)


def unpacked(
    function: Function, entries: Sequence[Entry], tensors: Mapping[str, Tensor]
) -> list[tuple[Tensor, Tensor]]:
    """Each sequence of a batch: its frames (T, C) and its labels."""
    by_symbol = {entry.symbol: tensors[entry.name] for entry in entries if entry.symbol and entry.name in tensors}
    frames = by_symbol[function.prediction.name]
    (target,) = (entry.name for entry in function.inputs if entry.role == "target")
    labels = by_symbol[target]
    frames = frames if frames.dim() == 3 else frames.unsqueeze(1)
    count, whole = frames.shape[1], torch.full((frames.shape[1],), frames.shape[0])
    times = by_symbol.get(FRAMES, whole).reshape(-1).tolist()
    if labels.dim() == 2:
        sizes = by_symbol.get(LABELS, (labels >= 0).sum(1)).reshape(-1).tolist()
        rows = [row[:size] for row, size in zip(labels, sizes, strict=True)]
    else:
        sizes = by_symbol.get(LABELS, torch.tensor([len(labels)])).reshape(-1).tolist()
        rows = list(labels.split(sizes))
    return [(frames[: times[n], n], rows[n]) for n in range(count)]


def special(entries: Sequence[Entry], sample: Mapping[str, Tensor]) -> Iterator[dict[str, Tensor]]:
    """Batches at which logic goes wrong: equal neighbours, fewer labels, fewer frames, more labels than fit."""
    names = {entry.symbol: entry.name for entry in entries}
    labels = sample[names["t"]]
    yield {**sample, names["t"]: torch.ones_like(labels)}
    if LABELS in names:
        yield {**sample, names[LABELS]: _less(sample[names[LABELS]])}
    if FRAMES in names:
        yield {**sample, names[FRAMES]: _less(sample[names[FRAMES]])}
        yield {**sample, names["t"]: torch.ones_like(labels), names[FRAMES]: torch.full_like(sample[names[FRAMES]], 2)}


def extreme(entries: Sequence[Entry], sample: Mapping[str, Tensor], dtype: torch.dtype) -> Iterator[dict[str, Tensor]]:
    """Batches of which the probability is next to nothing: each frame is certain of a class that is not meant."""
    names = {entry.symbol: entry.name for entry in entries}
    logits = torch.zeros_like(sample[names["x"]])
    for size in (50.0, 200.0, 1e4):
        logits[..., 0] = size
        yield {**sample, names["x"]: torch.log_softmax(logits, -1).to(dtype)}


def _less(lengths: Tensor) -> Tensor:
    """The first by one shorter."""
    return lengths - (torch.arange(len(lengths)) == 0).to(lengths.dtype)
