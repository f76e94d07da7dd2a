"""The engine inside Spark: one call per subject and micro-batch, with the subject's state in Spark's state store."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd
from pyspark.sql.streaming.stateful_processor import ExpiredTimerInfo, StatefulProcessor, StatefulProcessorHandle, TimerValues, ValueState

from rules.book import RuleBook
from rules.codec import dump, load
from rules.engine import Engine
from rules.merge import Record
from rules.spark.subjects import Result, judge_batch
from rules.subject import SubjectState

__all__ = ["RECORD_SCHEMA", "RESULT_SCHEMA", "SubjectProcessor"]

RECORD_SCHEMA = "key binary, value binary, rank int, offset bigint, timestamp timestamp"
"""What the processor is given; `rank` is that of `rules.merge`."""
RESULT_SCHEMA = "topic string, key binary, value binary"
"""What it returns; topics without a prefix."""
_STATE_SCHEMA = "state binary, heard_ms bigint"
_COLUMNS = list(Result._fields)


class SubjectProcessor(StatefulProcessor):
    """Judges the records of a subject, and forgets a subject that was silent for as long as the watermark lags.

    There is one timer per subject, set when its state is made. When it fires, the subject is either silent since, or the timer is set
    again: a timer per record would cost two calls for each.
    """

    def __init__(self, book: RuleBook) -> None:
        """Keep the rules: they travel to the workers."""
        self._book = book

    def init(self, handle: StatefulProcessorHandle) -> None:
        """Open the state store of one partition."""
        self._handle = handle
        self._engine = Engine(self._book)
        self._states: ValueState = handle.getValueState("subject", _STATE_SCHEMA)

    def handleInputRows(self, key: tuple[bytes | None], rows: Iterator[pd.DataFrame], timerValues: TimerValues) -> Iterator[pd.DataFrame]:
        """Judge a subject's records; the name and the signature are Spark's.

        Raises:
            StateError: the subject's state was written by a newer version; the query ends.
        """
        records = [record for frame in rows for record in _records(frame)]
        written = self._states.get()
        state = SubjectState() if written is None else load(bytes(written[0]))
        subject = b"" if key[0] is None else bytes(key[0])
        batch = judge_batch(state, subject, records, self._engine)
        if batch.changed:
            heard_ms = max(record.timestamp_ms for record in records)
            if written is None:
                self._handle.registerTimer(heard_ms)
            else:
                heard_ms = max(heard_ms, int(written[1]))
            self._states.update((dump(state), heard_ms))
        if batch.results:
            yield pd.DataFrame(batch.results, columns=_COLUMNS)

    def handleExpiredTimer(self, key: tuple[bytes], timerValues: TimerValues, expiredTimerInfo: ExpiredTimerInfo) -> Iterator[pd.DataFrame]:
        """Forget the subject if nothing was heard of it since the timer was set; the name and the signature are Spark's."""
        written = self._states.get()
        if written is not None:
            heard_ms = int(written[1])
            if heard_ms > timerValues.getCurrentWatermarkInMs():
                self._handle.registerTimer(heard_ms)
            else:
                self._states.clear()
        return iter(())

    def close(self) -> None:
        """Do nothing: Spark closes its store itself."""


def _records(frame: pd.DataFrame) -> Iterator[Record]:
    times_ms = frame["timestamp"].astype("datetime64[ms]").astype("int64")
    columns = (frame[name] for name in ("rank", "offset", "value", "key"))
    for time_ms, rank, offset, value, key in zip(times_ms, *columns, strict=True):
        yield Record(int(time_ms), int(rank), int(offset), bytes(value or b""), bytes(key or b""))
