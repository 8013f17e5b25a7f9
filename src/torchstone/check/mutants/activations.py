"""Subjects for the rules on activations: wrong ones and clean ones."""
