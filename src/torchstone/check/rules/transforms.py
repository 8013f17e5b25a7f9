"""Rules on transforms."""
