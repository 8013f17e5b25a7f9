"""Subjects for the rules on losses: wrong ones and clean ones."""
