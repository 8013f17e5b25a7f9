"""Subjects for the rules on general: wrong ones and clean ones."""
