"""The check of hyper-parameters that the optimizers here share."""

from typing import Any


def checked(**defaults: Any) -> dict[str, Any]:
    """The defaults of an optimizer. Raises `ValueError` for a number that makes no sense."""
    for name, value in defaults.items():
        for each in value if isinstance(value, tuple) else (value,):
            if not 0.0 <= each < (1.0 if name.startswith("beta") else float("inf")):
                raise ValueError(f"{name}: expected a number that is not negative, and below 1 for betas, got {value}")
    return defaults
