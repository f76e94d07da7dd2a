from collections.abc import Iterable
from typing import Any

from cassandra.cluster import Session
from cassandra.query import PreparedStatement

def execute_concurrent_with_args(
    session: Session,
    statement: PreparedStatement,
    parameters: Iterable[tuple[Any, ...]],
    *,
    concurrency: int = ...,
    raise_on_first_error: bool = ...,
) -> list[Any]: ...
