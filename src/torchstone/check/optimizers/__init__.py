"""Optimizers under check: how they are built and driven where they live, and how rules see them.

`build` and `bench` run in the subject's process, and know torch alone; the rest runs in the checker's.
"""
