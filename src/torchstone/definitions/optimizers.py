"""The optimizers, as recurrences for one parameter."""

from torchstone.definitions.core import UpdateRule
from torchstone.definitions.optimizers_adam import ADAM_OPTIMIZERS
from torchstone.definitions.optimizers_adam_kin import ADAM_KIN
from torchstone.definitions.optimizers_adaptive import ADAPTIVE_OPTIMIZERS
from torchstone.definitions.optimizers_momentum import MOMENTUM_OPTIMIZERS
from torchstone.definitions.optimizers_tensors import TENSOR_OPTIMIZERS

OPTIMIZERS: tuple[UpdateRule, ...] = (
    *MOMENTUM_OPTIMIZERS,
    *ADAM_OPTIMIZERS,
    *ADAM_KIN,
    *ADAPTIVE_OPTIMIZERS,
    *TENSOR_OPTIMIZERS,
)
