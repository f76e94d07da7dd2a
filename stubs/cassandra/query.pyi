from collections.abc import Iterator
from typing import Any

UNSET_VALUE: object

class PreparedStatement:
    fetch_size: int | None

class ResultSet:
    def __iter__(self) -> Iterator[Any]: ...
    def one(self) -> Any: ...
