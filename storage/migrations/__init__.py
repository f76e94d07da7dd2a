"""The schema of both stores has a history: steps that go forward only, each applied once and written down with its checksum.

What this package promises:

- A store of any version is brought to today's, or refused with a sentence; a newer one is never touched.
- A step that was edited after it was applied is noticed.
- Two processes do not migrate at once, and one that was killed in the middle of a step is followed by one that goes on.

One file is one step, `m0001_...`. To add one, copy the newest file, take the next number, and add it to `STEPS` in `planning.py`.
"""

from storage.migrations.model import AddFields, ExtendMapping, Step
from storage.migrations.planning import STEPS
from storage.migrations.running import Migrator, migrating, prepare_stores

__all__ = ["STEPS", "AddFields", "ExtendMapping", "Migrator", "Step", "migrating", "prepare_stores"]
