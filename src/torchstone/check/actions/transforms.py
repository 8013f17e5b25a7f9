"""What rules on transforms ask of a subject."""
