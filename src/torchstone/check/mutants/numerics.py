"""Subjects for the rules on numerics: wrong ones and clean ones."""
