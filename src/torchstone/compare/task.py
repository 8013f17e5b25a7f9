"""What a subject is asked, and what it answers: plain data and tensors, so that it may run in another process."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor


@dataclass(frozen=True)
class Task:
    """One request to a subject: an action (a key of `actions.ACTIONS`), its options, and the tensors it works on."""

    action: str
    doing: str  # what it is for, in words that fit after "while"
    options: Mapping[str, Any] = field(default_factory=dict)
    tensors: Mapping[str, Tensor] = field(default_factory=dict)


@dataclass(frozen=True)
class Reply:
    """What came of a task. `error` is a sentence where the subject failed."""

    facts: Mapping[str, Any] = field(default_factory=dict)
    tensors: Mapping[str, Tensor] = field(default_factory=dict)
    error: str = ""


def write_tensors(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Tensors to a safetensors file."""
    from safetensors.torch import save_file

    save_file({name: tensor.detach().clone().contiguous() for name, tensor in tensors.items()}, path)


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Tensors from a safetensors file; none where there is no file."""
    from safetensors.torch import load_file

    return load_file(path) if path.exists() else {}


def write_json(path: Path, value: Any) -> None:
    """Data to a file that is there whole or not at all."""
    unfinished = path.with_suffix(".part")
    unfinished.write_text(json.dumps(value), encoding="utf-8")
    unfinished.replace(path)


def write_reply(folder: Path, number: int, reply: Reply) -> None:
    """A reply to the files `reply-<number>`; the JSON comes last, and says that the rest is there."""
    if reply.tensors:
        write_tensors(folder / f"reply-{number}.safetensors", reply.tensors)
    write_json(folder / f"reply-{number}.json", {"facts": dict(reply.facts), "error": reply.error})


def read_reply(folder: Path, number: int) -> Reply | None:
    """The reply in the files `reply-<number>`, or None where there is none."""
    path = folder / f"reply-{number}.json"
    if not path.exists():
        return None
    data = json.loads(path.read_text(encoding="utf-8"))
    tensors = read_tensors(folder / f"reply-{number}.safetensors")
    return Reply(dict(data["facts"]), tensors, str(data["error"]))


def sentence(error: BaseException) -> str:
    """An exception in one short line."""
    text = " ".join(str(error).split())
    return f"raised {type(error).__name__}" + (f": {text[:200]}" if text else "")
