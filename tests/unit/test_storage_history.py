from __future__ import annotations

from storage.postgres.schema import _TABLES, FULL, MINUTES, _retention, day_of, hypertables


def test_a_hypertable_has_chunks_of_a_day_and_a_key_with_its_time() -> None:
    for name, time_column, definition in _TABLES:
        create, hyper, index = (statement.as_string(None) for statement in hypertables(name, time_column, definition))
        assert create.startswith(f'CREATE TABLE "{name}" (')
        # TimescaleDB refuses a unique index without the column of time.
        assert time_column in create.rpartition("PRIMARY KEY")[2]
        assert hyper == (
            f"SELECT create_hypertable('{name}', '{time_column}', chunk_time_interval => interval '1 day', create_default_indexes => false)"
        )
        assert index == f'CREATE INDEX ON "{name}" (subject, "{time_column}")'
    assert [name for name, *_ in _TABLES] == [FULL, MINUTES]


def test_timescale_drops_minutes_after_as_many_days_as_the_setting_says() -> None:
    assert _retention(7).as_string(None) == f"SELECT add_retention_policy('{MINUTES}', drop_after => make_interval(days => 7))"


def test_a_day_of_utc_ends_at_midnight() -> None:
    midnight_ns = 20_000 * 86_400 * 10**9
    assert (day_of(FULL, midnight_ns - 1), day_of(FULL, midnight_ns)) == ("sensor_history_d20241003", "sensor_history_d20241004")
