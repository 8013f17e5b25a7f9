"""What every activation shares: its options, the check of its input, and `inplace`."""

from typing import Any, ClassVar, cast

from torch import Tensor, nn

from torchstone._checks import FLOATS
from torchstone._elementwise import Formula, elementwise


class Activation(nn.Module):
    """A module without parameters. Its class is the formula: `value`, `gradient` and `curvature`.

    `options` names the attributes that the formula takes after x, in that order.
    Formulas overwrite their own temporaries, which is what makes them fast, but never multiply one by g in place: g may
    be a batch where x is none (`torch.autograd.grad(..., is_grads_batched=True)`).
    """

    options: ClassVar[tuple[str, ...]] = ()
    inplace: bool = False

    def forward(self, x: Tensor) -> Tensor:
        """f(x), in the shape and dtype of x."""
        check_floating(x)
        # The backward needs the x that is about to be overwritten: hence the clone, and no memory saved.
        return x.copy_(self._compute(x.clone())) if self.inplace else self._compute(x)

    def _compute(self, x: Tensor) -> Tensor:
        return elementwise(cast(type[Formula], type(self)), x, *(getattr(self, name) for name in self.options))

    def extra_repr(self) -> str:
        """The options, as `torch.nn` shows them."""
        shown = [f"{name}={getattr(self, name)!r}" for name in self.options]
        return ", ".join(shown + ["inplace=True"] * self.inplace)


def check_floating(x: Any) -> None:
    """Raise TypeError unless x is a tensor of one of the four floating-point dtypes."""
    if not isinstance(x, Tensor):
        raise TypeError(f"x: expected a floating-point tensor, got {type(x).__name__}")
    if x.dtype not in FLOATS:
        raise TypeError(f"x: expected a floating-point tensor, got {x.dtype}")
