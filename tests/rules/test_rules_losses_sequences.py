"""What the rules say of losses of sequences of labels: PyTorch's own, and others made after it."""

import pytest
import torch
from torch import nn

from torchstone.check.api import check


class Alignments(nn.Module):
    """CTC by dynamic programming over log-probabilities, as it is written by hand."""

    def __init__(self, blank: int = 0, reduction: str = "mean", zero_infinity: bool = False) -> None:
        super().__init__()
        self.blank, self.reduction, self.zero_infinity = blank, reduction, zero_infinity

    def may_skip(self, before, now):
        return now not in (self.blank, before)

    def ends(self, last):
        return last[-2:]

    def counted(self, loss, target_lengths):
        return loss / target_lengths.clamp(min=1)

    def one(self, frames, labels):
        states = [self.blank, *(each for label in labels for each in (label, self.blank))]
        never = frames.sum() * 0 - 1e30  # of infinities alone, logsumexp has no gradient
        reached = [frames[0, state] if place < 2 else never for place, state in enumerate(states)]
        for frame in frames[1:]:
            ways = [
                reached[max(0, place - (2 if place > 1 and self.may_skip(states[place - 2], state) else 1)) : place + 1]
                for place, state in enumerate(states)
            ]
            reached = [torch.stack(way).logsumexp(0) + frame[state] for way, state in zip(ways, states, strict=True)]
        return -torch.stack(self.ends(reached)).logsumexp(0)

    def forward(self, log_probs, targets, input_lengths, target_lengths):
        loss = torch.stack(
            [
                self.one(log_probs[: int(input_lengths[n]), n], targets[n, : int(target_lengths[n])].tolist())
                for n in range(log_probs.shape[1])
            ]
        )
        loss = loss.where(loss < 1e29, torch.inf)
        if self.zero_infinity:
            loss = loss.masked_fill(loss.isinf(), 0.0)
        if self.reduction == "none":
            return loss
        return loss.sum() if self.reduction == "sum" else self.counted(loss, target_lengths).mean()


class SkipsOverEqualLabels(Alignments):
    def may_skip(self, before, now):
        return now != self.blank


class EndsInABlank(Alignments):
    def ends(self, last):
        return last[-1:]


class PlainMean(Alignments):
    def counted(self, loss, target_lengths):
        return loss


class OfProbabilities(Alignments):
    """Products of probabilities underflow."""

    def forward(self, log_probs, *others):
        return super().forward(log_probs.exp().log(), *others)


@pytest.mark.parametrize(
    "loss", [nn.CTCLoss, nn.CTCLoss(), nn.CTCLoss(zero_infinity=True), nn.CTCLoss(reduction="sum"), nn.CTCLoss(blank=1)]
)
def test_pytorch_s_own_has_no_finding(loss):
    report = check(loss, inputs=INPUTS if isinstance(loss, nn.CTCLoss) and loss.blank else None)
    assert not report.faults
    assert report.subjects[0].knowledge == "definition"
    assert not [found.message for found in report.findings if found.severity != "note"]


INPUTS = (
    "log_probs float[4,N,C] in log-simplex; targets int64[N,2] in {0,2}; "
    "input_lengths int64[N] in {4}; target_lengths int64[N] in {2}"
)


def test_one_of_our_own_has_no_finding_among_the_losses():
    report = check(Alignments, like="torch.nn.CTCLoss", select=["L"])
    assert not report.faults
    assert not [found.message for found in report.findings]
    passed = {result.code for result in report.subjects[0].results if result.outcome == "passed"}
    assert {"L101", "L102", "L103", "L113"} <= passed


@pytest.mark.parametrize("loss", [SkipsOverEqualLabels, EndsInABlank, PlainMean])
def test_a_wrong_one_is_found(loss):
    report = check(loss, definition="ctc", select=["L"])
    (found,) = [each for each in report.findings if each.severity != "note"]
    assert (found.rule, found.severity) == ("L101", "error")


def test_a_mean_without_the_numbers_of_labels_has_its_name():
    (found,) = check(PlainMean, definition="ctc", select=["L101"]).findings
    assert "not divided by its number of labels" in found.cause


def test_products_that_underflow_are_found():
    found = [each.rule for each in check(OfProbabilities, definition="ctc", select=["L"]).errors]
    assert set(found) == {"L113"}
