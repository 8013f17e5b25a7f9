"""Rules on state."""
