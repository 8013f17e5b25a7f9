"""Sigmoid."""
import torch
from torch import Tensor, nn
from torchstone._elementwise import elementwise


class Sigmoid(nn.Module):
    @staticmethod
    def value(x: Tensor) -> Tensor:
        e = torch.exp(-x.abs())
        return torch.where(x >= 0, 1, e) / (1 + e)

    @staticmethod
    def gradient(g: Tensor, x: Tensor) -> Tensor:
        e = torch.exp(-x.abs())
        return g * e / (1 + e) ** 2

    @staticmethod
    def curvature(g: Tensor, x: Tensor) -> Tensor:
        e = torch.exp(-x.abs())
        return g * torch.sign(x) * e * (e - 1) / (1 + e) ** 3

    def forward(self, x: Tensor) -> Tensor:
        return elementwise(type(self), x)
