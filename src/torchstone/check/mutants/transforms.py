"""Subjects for the rules on transforms: wrong ones and clean ones."""
