"""What rules on state ask of a subject."""
