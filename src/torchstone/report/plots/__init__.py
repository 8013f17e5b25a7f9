"""The report's pictures. Importing this loads matplotlib."""

from torchstone.report.plots.curves import errors as errors
from torchstone.report.plots.curves import function as function
from torchstone.report.plots.glance import at_a_glance as at_a_glance
from torchstone.report.plots.rosenbrock import path as path
from torchstone.report.plots.rosenbrock import paths as paths
from torchstone.report.plots.svg import Picture as Picture
from torchstone.report.plots.training import losses as losses
