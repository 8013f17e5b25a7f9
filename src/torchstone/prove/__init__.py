"""Derivations that somebody wrote, checked line by line."""
