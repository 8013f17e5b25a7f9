"""From the LaTeX of a formula to its tree: tokens, a grammar, and what parts statements."""
