"""The activations, as mathematics: all of PyTorch's, and a few that people write themselves."""

from torchstone.definitions.activations_clipped import (
    HARDSHRINK,
    HARDSIGMOID,
    HARDTANH,
    RELU6,
    SOFTSHRINK,
    THRESHOLD,
)
from torchstone.definitions.activations_exponential import (
    CELU,
    ELU,
    LOG_SIGMOID,
    SELU,
    SIGMOID,
    SOFTPLUS,
    SOFTSIGN,
    TANH,
    TANHSHRINK,
)
from torchstone.definitions.activations_gates import (
    GELU,
    GELU_TANH,
    HARDSWISH,
    MISH,
    QUICK_GELU,
    SILU,
    SQUARED_RELU,
    SWISH_BETA,
)
from torchstone.definitions.activations_linear import IDENTITY, LEAKY_RELU, PRELU, RELU, RRELU
from torchstone.definitions.activations_rows import GLU, LOG_SOFTMAX, SOFTMAX, SOFTMAX2D, SOFTMIN

ACTIVATIONS = (
    RELU,
    LEAKY_RELU,
    ELU,
    SIGMOID,
    LOG_SIGMOID,
    TANH,
    SOFTPLUS,
    SILU,
    GELU,
    GELU_TANH,
    SOFTMAX,
    LOG_SOFTMAX,
    PRELU,
    RRELU,
    RELU6,
    SELU,
    CELU,
    HARDTANH,
    HARDSIGMOID,
    HARDSWISH,
    HARDSHRINK,
    SOFTSHRINK,
    TANHSHRINK,
    SOFTSIGN,
    MISH,
    THRESHOLD,
    SOFTMIN,
    SOFTMAX2D,
    GLU,
    IDENTITY,
    SQUARED_RELU,
    SWISH_BETA,
    QUICK_GELU,
)
