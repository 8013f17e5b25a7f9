"""What rules on activations ask of a subject."""
