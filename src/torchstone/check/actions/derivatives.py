"""What rules on derivatives ask of a subject."""
