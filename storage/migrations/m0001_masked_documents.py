"""Step 1: the collections and indices of masked documents, as they are made."""

from __future__ import annotations

from storage.migrations.model import Step

__all__ = ["STEP"]

STEP = Step(number=1, name="masked-documents", why="The first stores: there are no documents of before.")
