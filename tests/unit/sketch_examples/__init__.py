"""One example per sketch and family: what the generated checks of the contract run on."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from typing import Any

import sketches
from sketches.contract import Sketch


def sketch_classes() -> set[type[Sketch]]:
    """Return every sketch of the room, whether it has an example or not."""
    for _, name, _ in pkgutil.iter_modules(sketches.__path__):
        importlib.import_module(f"sketches.{name}")
    found: set[type[Sketch]] = set()
    waiting: list[Any] = [Sketch]
    while waiting:
        for one in waiting.pop().__subclasses__():
            waiting.append(one)
            if not inspect.isabstract(one) and one.__module__.startswith("sketches."):
                found.add(one)
    return found
