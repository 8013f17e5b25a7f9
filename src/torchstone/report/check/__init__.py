"""What `torchstone check` found: in a terminal, as data for programs, as a page."""
