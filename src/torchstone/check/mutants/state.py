"""Subjects for the rules on state: wrong ones and clean ones."""
