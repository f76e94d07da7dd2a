"""scikit-learn, loaded when something is trained or judged: scoring needs none of it, and a service without models pays nothing."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from veilocity.errors import DependencyError

__all__ = ["library"]


def library(module: str) -> Any:
    """Return a module of scikit-learn.

    Its classes have no types of their own, so what comes is unknown to the type checker.

    Raises:
        DependencyError: it is not installed.
    """
    try:
        return import_module(module)
    except ModuleNotFoundError as cause:
        raise DependencyError("training and judging models needs scikit-learn: run `make install`, or install veilocity[models]") from cause
