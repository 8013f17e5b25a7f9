"""Rules on derivatives."""
