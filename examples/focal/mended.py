"""The focal loss for two classes (Lin et al. 2017), with what `torchstone check` found in wrong.py mended."""

import torch
import torch.nn.functional as F
from torch import nn


class FocalLoss(nn.Module):
    def __init__(self, alpha=0.25, gamma=2.0):
        super().__init__()
        if gamma < 0:
            raise ValueError(f"gamma: expected at least 0, got {gamma}")
        self.alpha, self.gamma = alpha, gamma

    def forward(self, logits, targets):
        if logits.shape != targets.shape:
            raise ValueError(f"targets: expected the shape {tuple(logits.shape)}, got {tuple(targets.shape)}")
        right = torch.where(targets == 1, logits, -logits)  # the logit of the class that is right
        alpha_t = self.alpha * targets + (1 - self.alpha) * (1 - targets)
        return (-alpha_t * torch.sigmoid(-right) ** self.gamma * F.logsigmoid(right)).mean()
