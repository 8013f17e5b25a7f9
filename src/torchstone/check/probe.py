"""A request to a subject and its answer, as data: the subject may live in another process."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from torch import Tensor

Failure = Literal["", "raised", "ended", "fault"]


@dataclass(frozen=True)
class Probe:
    """What a subject is asked: an action (a key of `actions.ACTIONS`), its options (JSON) and its tensors."""

    action: str
    options: Mapping[str, Any] = field(default_factory=dict)
    tensors: Mapping[str, Tensor] = field(default_factory=dict)


@dataclass(frozen=True)
class Answer:
    """What came of a probe.

    `failure` is "raised" where the subject's code raised (`error` is "ValueError: text", `during` one of "build",
    "forward", "backward", ...), "ended" where its process crashed or ran out of time, and "fault" where our own code
    did. `facts` are JSON, `tensors` dense and contiguous: what matters of a layout is told in the facts.
    """

    facts: Mapping[str, Any] = field(default_factory=dict)
    tensors: Mapping[str, Tensor] = field(default_factory=dict)
    failure: Failure = ""
    error: str = ""
    during: str = ""

    @property
    def ok(self) -> bool:
        """Whether the subject answered."""
        return not self.failure

    @property
    def error_type(self) -> str:
        """The name of the exception's class."""
        return self.error.partition(":")[0] if self.failure == "raised" else ""


def pack(content: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> bytes:
    """JSON and tensors as bytes: the JSON's length, the JSON, safetensors."""
    from safetensors.torch import save

    head = json.dumps(content).encode()
    body = save({name: tensor.detach().clone().contiguous() for name, tensor in tensors.items()}) if tensors else b""
    return len(head).to_bytes(8, "little") + head + body


def unpack(message: bytes) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """What `pack` packed. Raises `ValueError` (or safetensors' own error) where it is something else."""
    from safetensors.torch import load

    end = 8 + int.from_bytes(message[:8], "little")
    content = json.loads(message[8:end])
    if not isinstance(content, dict):
        raise ValueError("expected a JSON object")
    return content, load(message[end:]) if len(message) > end else {}
