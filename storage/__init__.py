"""MongoDB and Elasticsearch behind two doors: `StoreWriter` for the privacy stage, `Reader` for the dashboard.

What this room promises:

- Writing is idempotent: a batch written twice, or after a later one, changes nothing in either store.
- A store that is down costs delay, never data.
- Whoever reads up to `Progress.seq` finds all of it in both stores.
- Every field has a declared type in both stores, and an undeclared one is refused.
- No question reads a whole collection.

The doors are opened on first use, because Spark's workers import the records alone and need no client of any store.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from storage.queries import Changes, Reader
    from storage.writers import StoreWriter

__all__ = ["Changes", "Reader", "StoreWriter"]


def __getattr__(name: str) -> Any:
    if name == "StoreWriter":
        from storage.writers import StoreWriter  # noqa: PLC0415  # see the module's docstring

        return StoreWriter
    if name in ("Changes", "Reader"):
        from storage import queries  # noqa: PLC0415  # see the module's docstring

        return getattr(queries, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
