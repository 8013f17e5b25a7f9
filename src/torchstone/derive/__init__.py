"""Derivations, written step by step and proven at every one."""
