"""The losses, as mathematics: each is the loss of one element, or of one row of classes.

Their inputs stand in the order in which code takes them; parameters bear the names of PyTorch's constructors.
"""

from torchstone.definitions.core import Function
from torchstone.definitions.losses_binary import BINARY
from torchstone.definitions.losses_likelihoods import LIKELIHOODS
from torchstone.definitions.losses_margins import MARGINS
from torchstone.definitions.losses_residuals import RESIDUALS
from torchstone.definitions.losses_rows import ROWS
from torchstone.definitions.losses_sequences import SEQUENCES

LOSSES: tuple[Function, ...] = (*RESIDUALS, *BINARY, *LIKELIHOODS, *ROWS, *MARGINS, *SEQUENCES)
