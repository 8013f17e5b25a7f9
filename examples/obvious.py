"""The obvious sigmoid: right on paper, and for ordinary numbers."""

import torch
from torch import nn


class Sigmoid(nn.Module):
    """1 / (1 + exp(-x)), with y (1 - y) as its derivative."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The sigmoid of x."""
        self.y = 1 / (1 + torch.exp(-x))
        return self.y

    def backward(self, grad_output: torch.Tensor) -> torch.Tensor:
        """The gradient at the input of the last forward."""
        return grad_output * self.y * (1 - self.y)
