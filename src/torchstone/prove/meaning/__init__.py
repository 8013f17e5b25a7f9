"""What formulas mean: trees become expressions, lines become definitions, claims and what is given.

`scope.py` knows what has been said; `statements.py` decides what a line is; `reader.py` gives its sides as written,
`claims.py` with all definitions put in.
"""
