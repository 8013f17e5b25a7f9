"""The inputs of a subject: how people write them down, and ordinary ones to try.

>>> for entry in read_inputs("logits float[N,C]; target int64[N] in [0,C)"):
...     print(entry)
logits float[N, C]
target int64[N] in [0,C)
"""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor

from torchstone.check.words import means_target

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
NAMED = ("", "simplex", "log-simplex", "places")
FLOATING = "float"  # whatever floating dtype is being tried


@dataclass(frozen=True)
class Entry:
    """One tensor that a subject is called with.

    `dtype` "float" is whatever floating dtype is tried. `dims` may hold letters, the same letter the same size, and
    "...": any number of dimensions. `within` is "", an interval, a set of numbers, "simplex" or "log-simplex" (along
    the classes: dimension 1 where `dims` begins with N, else the last), or "places": different whole numbers from
    [0,C), then -1 to the row's end. `symbol` is the definition's name for it.
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
    listed = match["dims"]
    parts = [part.strip() for part in listed.split(",")] if listed and listed.strip() else []
    dims: tuple[Dim, ...] = ("...",) if listed is None else tuple(_dim(part, text) for part in parts)
    if dims.count("...") > 1:
        raise ValueError(f"inputs: expected ... once at most, got {text!r}")
    entry = Entry(match["name"], _SYNONYMS.get(dtype, dtype), dims, _within((match["within"] or "").strip(), text))
    if "simplex" in entry.within and not entry.is_floating:
        raise ValueError(f"inputs: expected a floating dtype for a {entry.within}, got {dtype!r} in {text!r}")
    return replace(entry, role="target" if means_target(entry.name) else "prediction")


def _dim(part: str, text: str) -> Dim:
    if part == "..." or re.fullmatch(r"[A-Za-z]\w*|\d+\s*\*\s*[A-Za-z]\w*", part):
        return re.sub(r"\s", "", part)
    if part.isdecimal():
        return int(part)
    raise ValueError(f"inputs: expected a dimension such as 3, N, 2*d or ..., got {part!r} in {text!r}")


def _within(text: str, entry: str) -> str:
    interval, members = _INTERVAL.fullmatch(text), _SET.fullmatch(text)
    ends = [interval[2], interval[3]] if interval else members[1].split(",") if members else []
    known = text in NAMED or all(_is_end(end.strip(), numbers_only=members is not None) for end in ends)
    if known and (text in NAMED or interval or members):
        if interval and not _has_room(interval[2], interval[3]):
            raise ValueError(f"inputs: expected an interval from a smaller to a larger number, got {text!r}")
        return re.sub(r"\s", "", text)
    raise ValueError(
        f"inputs: expected a set such as [0,1], (0,inf), [0,C), {{0,1}}, simplex or log-simplex, "
        f"got {text!r} in {entry!r}"
    )


def _is_end(text: str, *, numbers_only: bool) -> bool:
    if re.fullmatch(r"[A-Za-z]", text) and not numbers_only:
        return True
    try:
        return not math.isnan(float(text))
    except ValueError:
        return False


def _has_room(low: str, high: str) -> bool:
    """Whether some number lies between two ends; a letter is a size, which may be as large as one likes."""
    first, last = (
        otherwise if end.isalpha() and len(end) == 1 else float(end)
        for end, otherwise in ((low, 1.0), (high, math.inf))
    )
    return first < last


def size_of(letter: str, sizes: Mapping[str, int]) -> int:
    """The size that a letter stands for."""
    return sizes.get(letter, 6)


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
            shape.append(int(times or 1) * size_of(letter, sizes))
    return tuple(shape)


def bounds(within: str, sizes: Mapping[str, int]) -> tuple[float, float, bool, bool]:
    """The ends of an interval, and whether each belongs to it."""
    match = _INTERVAL.fullmatch(within)
    if match is None:
        raise ValueError(f"inputs: expected an interval, got {within!r}")
    left, low, high, right = match.groups()
    return _end(low, sizes), _end(high, sizes), left == "[", right == "]"


def _end(text: str, sizes: Mapping[str, int]) -> float:
    return float(size_of(text, sizes)) if re.fullmatch(r"[A-Za-z]", text) else float(text)


def draw(
    entries: Sequence[Entry],
    dtype: torch.dtype = torch.float64,
    *,
    seed: int = 0,
    sizes: Mapping[str, int] | None = None,
    extra: Sequence[int] = _ELLIPSIS,
) -> dict[str, Tensor]:
    """Ordinary inputs by the entries' names: moderate numbers, nowhere near an end of what they may be.

    No free number is whole or a half, and no two are equal while there are others: nothing lies on a kink by chance.
    """
    random = torch.Generator().manual_seed(seed)
    chosen = {**SIZES, **(sizes or {})}
    return {
        entry.name: _values(entry, shape_of(entry, chosen, extra), chosen, random, place).to(torch_dtype(entry, dtype))
        for place, entry in enumerate(entries)
    }


def torch_dtype(entry: Entry, floating: torch.dtype) -> torch.dtype:
    """The dtype of an entry's tensor where `floating` is tried."""
    found: torch.dtype = floating if entry.dtype == FLOATING else getattr(torch, entry.dtype)
    return found


def _values(
    entry: Entry, shape: tuple[int, ...], sizes: Mapping[str, int], random: torch.Generator, place: int
) -> Tensor:
    if entry.within in ("simplex", "log-simplex"):
        share = 0.1 + torch.rand(shape, generator=random, dtype=torch.float64)
        share = share / share.sum(class_dim(entry, shape), keepdim=True)
        return share.log() if entry.within == "log-simplex" else share
    if entry.within == "places":
        return _places(shape, sizes, random)
    if match := _SET.fullmatch(entry.within):
        members = torch.tensor([float(part) for part in match[1].split(",")], dtype=torch.float64)
        return members[torch.randint(len(members), shape, generator=random)]
    if not entry.is_floating:
        return _whole(entry, shape, sizes, random)
    low, high = (-2.5, 2.5)
    if entry.within:
        low, high, _, _ = bounds(entry.within, sizes)
        low, high = max(low, min(high - 5.0, -2.5)), min(high, max(low + 5.0, 2.5))
        low, high = low + (high - low) / 10, high - (high - low) / 10
    return _free(low, high, shape, random, place)


def class_dim(entry: Entry, shape: Sequence[int]) -> int:
    """The dimension of the classes: 1 of (N, C, ...), else the last."""
    return 1 if len(shape) > 1 and entry.dims[:1] == ("N",) else -1


def _free(low: float, high: float, shape: tuple[int, ...], random: torch.Generator, place: int) -> Tensor:
    """Different numbers between two ends, as many as there are.

    They are odd multiples of a small power of 2, a larger one for each further input: never a whole number or a half,
    and nor is a difference of two inputs. Where there is room, eight bits hold each: every dtype does.
    """
    exact, roomy = math.ceil(math.log2(max(abs(low), abs(high)) / 256)), math.floor(math.log2((high - low) / 40))
    step = 2.0 ** min(exact + min(place, 3), roomy)
    odd = torch.arange(math.ceil((low / step - 1) / 2), math.floor((high / step - 1) / 2) + 1)
    count = math.prod(shape)
    rounds = -(-count // len(odd)) if count else 0
    drawn = [torch.randperm(len(odd), generator=random) for _ in range(rounds)]
    chosen = torch.cat(drawn)[:count] if drawn else torch.zeros(0, dtype=torch.int64)
    return ((2 * odd[chosen] + 1) * step).to(torch.float64).reshape(shape)


def _whole(entry: Entry, shape: tuple[int, ...], sizes: Mapping[str, int], random: torch.Generator) -> Tensor:
    first, last = (0, 1) if entry.dtype == "bool" else (0, 2)
    if entry.within:
        low, high, has_low, has_high = bounds(entry.within, sizes)
        first = math.ceil(max(low, min(high - 6.0, -4.0))) + (not has_low and low == math.ceil(low))
        last = math.floor(min(high, max(low + 6.0, 2.0))) - (not has_high and high == math.floor(high))
    return torch.randint(first, max(first, last) + 1, shape, generator=random)


def _places(shape: tuple[int, ...], sizes: Mapping[str, int], random: torch.Generator) -> Tensor:
    """Rows of different places, filled up with -1."""
    rows = math.prod(shape[:-1])
    table = torch.stack([torch.randperm(shape[-1], generator=random) for _ in range(rows)] or [torch.zeros(0)])
    count = torch.randint(1, shape[-1] + 1, (len(table), 1), generator=random)
    return torch.where(torch.arange(shape[-1]) < count, table, -1).reshape(shape)
