"""What every loss demands of its arguments, said in one line when it is not met.

Types, dtypes and shapes are always checked. Values are checked where there are any to read: not on the meta device,
and not under torch.compile. On a GPU reading them waits for the device.
"""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

from torchstone._checks import FLOATS, read
from torchstone._elementwise import HALF_TYPES, widen


def weights(name: str, value: object) -> Tensor | None:
    """The weights, if they are None or finite floating-point constants."""
    if value is None:
        return None
    if not isinstance(value, Tensor) or value.dtype not in FLOATS:
        raise TypeError(f"{name}: expected a floating-point tensor or None, got {_kind(value)}")
    if value.requires_grad:
        raise ValueError(f"{name}: expected a constant, got a tensor that requires a gradient")
    seen = read(value)
    if seen is not None and not seen.isfinite().all():
        raise ValueError(f"{name}: expected finite numbers, got {_first(seen, ~seen.isfinite())}")
    return value


def floats(**tensors: Any) -> tuple[list[Any], torch.dtype]:
    """The tensors in the working precision, and the dtype of the answer. A weight may be None, and stays so.

    All must be of one floating dtype. Autocast is lenient where PyTorch is: half types mix with float32, and the
    answer is float32.
    """
    given = {name: value for name, value in tensors.items() if value is not None or "weight" not in name}
    for name, value in given.items():
        if not isinstance(value, Tensor) or value.dtype not in FLOATS:
            raise TypeError(f"{name}: expected a floating-point tensor, got {_kind(value)}")
    one_device(**given)
    dtypes = {value.dtype for value in given.values()}
    widened = [None if value is None else widen(value) for value in tensors.values()]
    first = next(iter(given.values()))
    if dtypes.isdisjoint(HALF_TYPES) or not _autocast(first.device.type):
        if len(dtypes) > 1:
            raise TypeError(f"{_and(given)}: expected one dtype, got {_and(v.dtype for v in given.values())}")
        return widened, first.dtype
    if torch.float64 in dtypes:
        raise TypeError(f"{_and(given)}: expected half types and float32, got {_and(v.dtype for v in given.values())}")
    return widened, torch.float32


def one_device(**tensors: Tensor) -> None:
    """Refuse tensors on different devices."""
    if len({value.device for value in tensors.values()}) > 1:
        raise ValueError(f"{_and(tensors)}: expected one device, got {_and(v.device for v in tensors.values())}")


def one_shape(**tensors: Tensor) -> None:
    """Refuse tensors of different shapes: a loss never broadcasts its target."""
    first, *others = tensors.values()
    if any(other.shape != first.shape for other in others):
        raise ValueError(f"{_and(tensors)}: expected one shape, got {_and(tuple(v.shape) for v in tensors.values())}")


def broadcasts(name: str, value: Tensor | None, shape: torch.Size) -> None:
    """Refuse a weight that cannot be spread over the input without enlarging it."""
    if value is None:
        return
    from_the_end = zip(reversed(value.shape), reversed(shape), strict=False)
    if value.ndim > len(shape) or any(mine not in (1, theirs) for mine, theirs in from_the_end):
        raise ValueError(f"{name}: expected a shape that broadcasts to {tuple(shape)}, got {tuple(value.shape)}")


def probabilities(name: str, value: Tensor) -> None:
    """Refuse anything outside [0, 1], NaN included."""
    seen = read(value)
    if seen is None or seen.numel() == 0:
        return
    low, high = seen.aminmax()
    if not (low >= 0 and high <= 1):
        raise ValueError(f"{name}: expected probabilities in [0, 1], got {_first(seen, ~((seen >= 0) & (seen <= 1)))}")


def class_indices(name: str, value: Tensor, classes: int, ignore_index: int) -> Tensor | None:
    """Refuse an index that is no class; say which ones are ignored, or None where it is known that none is."""
    ignored = value == ignore_index
    seen = read(value)
    if seen is None:
        return ignored
    if seen.numel() == 0:
        return None
    low, high = seen.aminmax()
    if low < 0 or high >= classes:
        strange = ((seen < 0) | (seen >= classes)) & (seen != ignore_index)
        if strange.any():
            wanted = f"classes 0 to {classes - 1} or ignore_index {ignore_index}"
            raise IndexError(f"{name}: expected {wanted}, got {_first(seen, strange)}")
    return ignored if low <= ignore_index <= high else None


def _autocast(device: str) -> bool:
    return torch.amp.is_autocast_available(device) and torch.is_autocast_enabled(device)


def _first(x: Tensor, wrong: Tensor) -> str:
    """The first wrong entry and where it stands."""
    where = tuple(wrong.nonzero()[0].tolist())
    return f"{x[where].item()}" + (f" at {where}" if where else "")


def _kind(value: object) -> str:
    return str(value.dtype) if isinstance(value, Tensor) else type(value).__name__


def _and(items: Iterable[Any]) -> str:
    *most, last = map(str, items)
    return f"{', '.join(most)} and {last}" if most else last
