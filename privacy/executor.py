"""What runs in Spark's Python workers: raw Kafka values in, one masked part out.

The function that Spark ships holds the path of the key file and nothing secret; each worker process reads the key ring itself, so no key
is in a plan, log, event log or checkpoint. The driver's Python sees masked parts only. Where evidence is to be sealed, a worker reads the
address of MongoDB, which may hold a password, from its own environment, as every service does. This module imports neither the sketches
nor the storage clients, so a worker starts quickly.
"""

from __future__ import annotations

import time
import traceback
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import numpy as np
import pyarrow as pa

from privacy.identifiers.keyring import KeyRing
from privacy.masking import Masker
from privacy.parts import MaskedPart, PartBuilder, Source
from privacy.policies.compiling import CompiledPolicy
from privacy.policy import key_checks
from veilocity.errors import FatalError, SettingsError, VeilocityError
from veilocity.settings import load

if TYPE_CHECKING:
    from privacy.identifiers.sealing import SubjectKeyStore

__all__ = ["PART_SCHEMA", "PartMasker", "decode_part", "innermost_place", "warm"]

PART_SCHEMA = "part binary"
"""One row per task: the packed part."""
_ARROW_SCHEMA = pa.schema([("part", pa.binary())])
_WARM_S = 0.05
"""Long enough that one worker cannot serve every task."""
_PATIENCE_S = 60.0
"""How long a worker waits for MongoDB; then the stage ends, and whoever started it starts it again on the same micro-batch."""
_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(MaskedPart)


@lru_cache(maxsize=4)
def _masker(key_file: str, checks: tuple[str, ...], policy: CompiledPolicy) -> Masker:
    # The file may hold a version already that the stage has not taken up.
    ring = KeyRing.from_file(Path(key_file)).oldest(len(checks))
    if key_checks(ring) != checks:
        raise SettingsError("the key ring is not the one that the privacy stage began with: give every executor the same file, and restart")
    return Masker(policy, ring, _subject_keys)


@lru_cache(maxsize=1)
def _subject_keys() -> SubjectKeyStore:
    """Return the store of people's keys, which asks a MongoDB that does not answer for a while before it gives up."""
    from storage.vault import PatientSubjectKeys  # noqa: PLC0415  # most parts hold no alert

    return PatientSubjectKeys(load(), _PATIENCE_S)


@dataclass(frozen=True, slots=True)
class PartMasker:
    """The function for `DataFrame.mapInArrow` over the columns topic, partition, offset and value; gives one row per task.

    A class of this module and not a closure: a worker imports it by name, so nothing but these values is shipped.

    Args:
        key_path: file of the key ring, as the workers see it.
        checks: check values of the versions to mask with (`privacy.rotation`).
        policy: in force.
        seq: number of the micro-batch.
        sources: topic name on this cluster to what it holds.
    """

    key_path: str
    checks: tuple[str, ...]
    policy: CompiledPolicy
    seq: int
    sources: dict[str, Source]

    def __call__(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Mask one task's records.

        Raises:
            FatalError: something unforeseen happened; its own message, which may hold a record, is left out.
        """
        try:
            builder = PartBuilder(_masker(self.key_path, self.checks, self.policy), self.seq)
            for batch in batches:
                _add_batch(builder, batch, self.sources)
            part = _encoder.encode(builder.finish())
        except VeilocityError:
            raise
        except Exception as error:
            raise FatalError(f"masking failed by {type(error).__name__} at {innermost_place(error)}: please report this") from None
        yield pa.RecordBatch.from_arrays([pa.array([part], pa.binary())], schema=_ARROW_SCHEMA)


def innermost_place(error: BaseException) -> str:
    """Return the file and line where an error began.

    Spark writes a worker's error into its log, and a foreign message may quote the record: so the place is told, and nothing else.
    """
    frames = traceback.extract_tb(error.__traceback__)
    return f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else "an unknown place"


def warm(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Pass rows on: a worker that runs this has imported this module."""
    time.sleep(_WARM_S)
    yield from batches


def decode_part(packed: bytes) -> MaskedPart:
    """Return the part that a task packed."""
    return _decoder.decode(packed)


def _add_batch(builder: PartBuilder, batch: pa.RecordBatch, sources: dict[str, Source]) -> None:
    """Hand runs of one topic and partition to the builder: a task reads its partitions one after the other."""
    count = batch.num_rows
    if not count:
        return
    names = batch.column("topic").dictionary_encode()
    topics, numbers = names.dictionary.to_pylist(), names.indices.to_numpy()
    partitions = batch.column("partition").to_numpy()
    offsets: list[int] = batch.column("offset").to_numpy().tolist()
    values: list[bytes | None] = batch.column("value").to_numpy(zero_copy_only=False).tolist()
    changes = np.flatnonzero((numbers[1:] != numbers[:-1]) | (partitions[1:] != partitions[:-1])) + 1
    for start, end in pairwise([0, *changes.tolist(), count]):
        builder.add(sources[str(topics[numbers[start]])], int(partitions[start]), offsets[start:end], values[start:end])
