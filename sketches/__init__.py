"""Streaming algorithms with a stated error, usable alone.

What every sketch promises: its memory is fixed by its parameters; its hashes are stable over processes and machines; merging refuses other
parameters (`SketchMismatchError`); equal sketches save to equal bytes under a versioned header; and offering the same item again changes
nothing, so a replayed micro-batch is harmless.

- `Reservoir`: a uniform sample of distinct ids, exact under merging.
- `BloomFilter`: seen before? Never a false "no".
- `alike`: groups of similar feature sets, every joining pair verified.
"""

from sketches.bloom import BloomFilter
from sketches.reservoir import Reservoir
from sketches.similarity import Group, alike

__all__ = ["BloomFilter", "Group", "Reservoir", "alike"]
