"""Rules on activations."""
