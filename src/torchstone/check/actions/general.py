"""What rules on general ask of a subject."""
