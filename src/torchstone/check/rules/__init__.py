"""The rules, group by group. Each docstring is a page."""
