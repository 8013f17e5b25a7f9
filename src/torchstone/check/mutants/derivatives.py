"""Subjects for the rules on derivatives: wrong ones and clean ones."""
