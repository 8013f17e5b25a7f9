"""What rules on numerics ask of a subject."""
