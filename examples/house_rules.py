"""A rule of one's own: in this house, every loss says in its docstring where it comes from."""

import torch

import torchstone
from torchstone.check import Finding


@torchstone.rule("OUR101", "names-its-source", kinds=("loss",), severity="warning")
def names_its_source(subject):
    """The docstring has a year in it.

    Why: the name of a loss means another formula in each paper.
    How: it looks for four digits in the docstring of the class.
    False alarms: any four digits will do.
    Instead: write "Lin et al. 2017" into the docstring.
    """
    if not any(word.strip("().,").isdigit() for word in subject.description.doc.split()):
        yield Finding("the docstring does not say where the loss comes from")


class LogCoshLoss(torch.nn.Module):
    """log(cosh(x - t))."""

    def forward(self, prediction, target):
        return (prediction - target).cosh().log().mean()


if __name__ == "__main__":
    print(torchstone.check(LogCoshLoss, select=["OUR101"]))
