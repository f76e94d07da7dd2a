"""Compile the inner loops with numba: kept on disk where that is possible, never a reason to fail.

Only modules of kernels import this one, and only functions that are about to compute import those: importing `privacy.anonymise` neither
imports numba nor compiles anything.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

__all__ = ["compiled", "inner"]

_FOLDER = Path(__file__).parent
P = ParamSpec("P")
R = TypeVar("R")


def _forget_stale() -> None:
    """Remove kept machine code that is older than any kernel's source: numba looks at a kernel's own file, not at what it calls."""
    with suppress(OSError):
        newest = max(source.stat().st_mtime for source in _FOLDER.glob("*.py"))
        for kept in (_FOLDER / "__pycache__").glob("*.nbi"):
            if kept.stat().st_mtime < newest:
                kept.unlink()


_forget_stale()


def compiled(function: Callable[P, R]) -> Callable[P, R]:
    """Return the function compiled at its first call, with its machine code kept beside its source or in the user's cache folder.

    Where neither folder can be written the function is compiled anew in every process.
    """
    return _compiled(function)


def inner(function: Callable[P, R]) -> Callable[P, R]:
    """Return a function as `compiled` does, but for other kernels alone: without a way in from Python it compiles in half the time."""
    return _compiled(function, no_cpython_wrapper=True, no_cfunc_wrapper=True)


def _compiled(function: Callable[P, R], **options: bool) -> Callable[P, R]:
    # numba says that it has types, and its decorators have none: by name they are what they are, unknown.
    njit: Any = vars(import_module("numba"))["njit"]
    try:
        kernel: Callable[P, R] = njit(cache=True, **options)(function)
    except RuntimeError:
        kernel = njit(**options)(function)
    return kernel
