"""What rules on losses ask of a subject."""
