"""A round trip through pickle, for classes of a notebook or a test, too. Runs where the subject lives."""

import io
import pickle
import sys
import types
from typing import Any


class _Pickler(pickle.Pickler):
    """Classes and functions of a module that cannot be imported (a notebook, a test) stand for themselves."""

    def __init__(self, file: io.BytesIO) -> None:
        super().__init__(file)
        self.kept: list[Any] = []

    def persistent_id(self, each: Any) -> Any:
        named = isinstance(each, type) or (isinstance(each, types.FunctionType) and each.__qualname__.isidentifier())
        if not named or importable(each):
            return None
        self.kept.append(each)
        return len(self.kept) - 1


class _Unpickler(pickle.Unpickler):
    def __init__(self, file: io.BytesIO, kept: list[Any]) -> None:
        super().__init__(file)
        self.kept = kept

    def persistent_load(self, key: Any) -> Any:
        return self.kept[key]


def importable(each: Any) -> bool:
    """Whether a class or function is found under its name where it says that it is from."""
    found: Any = sys.modules.get(each.__module__)
    for name in each.__qualname__.split("."):
        found = getattr(found, name, None)
    return found is each


def pickled(thing: Any) -> Any:
    """What comes back of a thing that is pickled and read again."""
    file = io.BytesIO()
    pickler = _Pickler(file)
    pickler.dump(thing)
    file.seek(0)
    return _Unpickler(file, pickler.kept).load()
