"""The inputs of a subject: how people write them down, and ordinary ones to try.

>>> for entry in read_inputs("logits float[N,C]; target int64[N] in [0,C)"):
...     print(entry)
logits float[N, C]
target int64[N] in [0,C)
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

Role = Literal["prediction", "target", "other"]
Dim = str | int  # a number, a letter, a product such as "2*d", or "..."

SIZES = {"N": 4, "C": 3, "d": 5}  # of ordinary inputs: no two the same, and none is 2
_ELLIPSIS = (3, 4)
_DTYPES = ("float", "float16", "float32", "float64", "bfloat16", "int64", "int32", "bool", "long", "int")
_SYNONYMS = {"long": "int64", "int": "int64"}
_ENTRY = re.compile(
    r"(?P<name>[A-Za-z_]\w*)\s+(?P<dtype>[a-z]+\d*)\s*(\[(?P<dims>[^\]]*)\])?\s*(\s+in\s+(?P<within>.+))?", re.DOTALL
)
_INTERVAL = re.compile(r"([\[(])\s*([^,\s]+)\s*,\s*([^,\s]+)\s*([\])])")
_SET = re.compile(r"\{([^{}]*)\}")
FLOATING = "float"  # whatever floating dtype is being tried


@dataclass(frozen=True)
class Entry:
    """One tensor that a subject is called with.

    `dtype` "float" is whatever floating dtype is tried. `dims` may hold letters, the same letter the same size, and
    "...": any number of dimensions. `within` is "", an interval, a set of numbers, "simplex" or "log-simplex" (along
    the last dimension; along dimension 1 where `dims` begins N, C). `symbol` is the definition's name for it.
    """

    name: str
    dtype: str = FLOATING
    dims: tuple[Dim, ...] = ("...",)
    within: str = ""
    role: Role = "prediction"
    symbol: str = ""
    keyword: bool = False  # passed by name

    @property
    def is_floating(self) -> bool:
        """Whether a gradient can flow into it."""
        return "float" in self.dtype

    def __str__(self) -> str:
        dims = ", ".join(map(str, self.dims))
        return f"{self.name} {self.dtype}[{dims}]" + (f" in {self.within}" if self.within else "")


def read_inputs(text: str) -> tuple[Entry, ...]:
    """Entries from text: `name dtype[dims] [in set]`, one after another with semicolons.

    Raises `ValueError` for what it cannot read.
    """
    entries = tuple(_entry(part.strip()) for part in text.split(";") if part.strip())
    if not entries:
        raise ValueError(f'inputs: expected entries such as "x float[N,C]; target int64[N] in [0,C)", got {text!r}')
    names = [entry.name for entry in entries]
    if len(set(names)) < len(names):
        raise ValueError(f"inputs: expected different names, got {', '.join(names)}")
    return entries


def _entry(text: str) -> Entry:
    match = _ENTRY.fullmatch(text)
    if match is None:
        raise ValueError(f'inputs: expected "name dtype[dims] in set", got {text!r}')
    dtype = match["dtype"]
    if dtype not in _DTYPES:
        raise ValueError(f"inputs: expected a dtype of {', '.join(_DTYPES)}, got {dtype!r} in {text!r}")
    parts = [part.strip() for part in (match["dims"] or "").split(",") if part.strip()]
    return Entry(
        match["name"],
        _SYNONYMS.get(dtype, dtype),
        tuple(_dim(part, text) for part in parts),
        _within((match["within"] or "").strip(), text),
        "target" if _means_target(match["name"]) else "prediction",
    )


def _dim(part: str, text: str) -> Dim:
    if part == "..." or re.fullmatch(r"[A-Za-z]\w*|\d+\s*\*\s*[A-Za-z]\w*", part):
        return part.replace(" ", "")
    if part.isdecimal():
        return int(part)
    raise ValueError(f"inputs: expected a dimension such as 3, N, 2*d or ..., got {part!r} in {text!r}")


def _within(text: str, entry: str) -> str:
    if text in ("", "simplex", "log-simplex") or _INTERVAL.fullmatch(text) or _SET.fullmatch(text):
        return re.sub(r"\s", "", text)
    raise ValueError(
        f"inputs: expected a set such as [0,1], (0,inf), [0,C), {{0,1}} or simplex, got {text!r} in {entry!r}"
    )


_TARGETS = re.compile(
    r"(y_?)?(true|target|targets|tgt|label|labels|gt|ground_?truth|truth|expected|y|t|actual)(_.*)?", re.IGNORECASE
)
_PREDICTIONS = re.compile(r"(y_?)?(pred|hat|out|logit|input|score|prob|x|p|yhat).*", re.IGNORECASE)


def _means_target(name: str) -> bool:
    """Whether a parameter of that name takes what is right: `target`, `y_true`, `labels`, `gt`."""
    return bool(_TARGETS.fullmatch(name)) and not _PREDICTIONS.fullmatch(name)


means_target = _means_target


def shape_of(entry: Entry, sizes: Mapping[str, int], extra: Sequence[int] = _ELLIPSIS) -> tuple[int, ...]:
    """The shape that an entry has under sizes for its letters; `extra` stands for "..."."""
    shape: list[int] = []
    for dim in entry.dims:
        if dim == "...":
            shape += extra
        elif isinstance(dim, int):
            shape.append(dim)
        else:
            times, _, letter = dim.rpartition("*")
            shape.append(int(times or 1) * sizes.get(letter, 6))
    return tuple(shape)


def bounds(within: str, sizes: Mapping[str, int]) -> tuple[float, float, bool, bool]:
    """The ends of an interval, and whether each belongs to it."""
    match = _INTERVAL.fullmatch(within)
    if match is None:
        raise ValueError(f"inputs: expected an interval, got {within!r}")
    left, low, high, right = match.groups()
    return _end(low, sizes), _end(high, sizes), left == "[", right == "]"


def _end(text: str, sizes: Mapping[str, int]) -> float:
    return float(sizes[text]) if text in sizes else float(text)


def draw(
    entries: Sequence[Entry],
    dtype: torch.dtype = torch.float64,
    *,
    seed: int = 0,
    sizes: Mapping[str, int] | None = None,
    extra: Sequence[int] = _ELLIPSIS,
) -> dict[str, Tensor]:
    """Ordinary inputs by the entries' names: moderate numbers, nowhere near an end of what they may be.

    Numbers are multiples of 1/64 where they are free, so that every floating dtype holds them exactly.
    """
    random = torch.Generator().manual_seed(seed)
    chosen = {**SIZES, **(sizes or {})}
    return {
        entry.name: _values(entry, shape_of(entry, chosen, extra), chosen, random).to(torch_dtype(entry, dtype))
        for entry in entries
    }


def torch_dtype(entry: Entry, floating: torch.dtype) -> torch.dtype:
    """The dtype of an entry's tensor where `floating` is tried."""
    found: torch.dtype = floating if entry.dtype == FLOATING else getattr(torch, entry.dtype)
    return found


def _values(entry: Entry, shape: tuple[int, ...], sizes: Mapping[str, int], random: torch.Generator) -> Tensor:
    uniform = torch.rand(shape, generator=random, dtype=torch.float64)
    if entry.within in ("simplex", "log-simplex"):
        # Along the classes: dimension 1 of (N, C, ...), else the last.
        dim = 1 if len(shape) > 1 and entry.dims[:2] == ("N", "C") else -1
        share = (0.1 + uniform) / (0.1 + uniform).sum(dim, keepdim=True)
        return share.log() if entry.within == "log-simplex" else share
    if match := _SET.fullmatch(entry.within):
        members = torch.tensor([float(part) for part in match[1].split(",")], dtype=torch.float64)
        return members[(uniform * len(members)).long()]
    if entry.within:
        return _inside(entry, uniform, sizes)
    if not entry.is_floating:
        return (uniform * (2 if entry.dtype == "bool" else 3)).floor()
    return ((uniform - 0.5) * 5 * 64).round() / 64 + 1 / 128  # between -2.5 and 2.5, no whole number, no tie at 0


def _inside(entry: Entry, uniform: Tensor, sizes: Mapping[str, int]) -> Tensor:
    low, high, has_low, has_high = bounds(entry.within, sizes)
    if not entry.is_floating:
        low, high = max(low + (not has_low), -4.0), min(high - (not has_high), low + 6.0 if low > -4 else 2.0)
        return (low + uniform * (high - low + 1)).floor().clamp(low, high)
    low, high = max(low, min(high - 5.0, -2.5)), min(high, max(low + 5.0, 2.5))
    inner = low + (high - low) * (0.1 + 0.8 * uniform)
    return (inner * 1024).round() / 1024
