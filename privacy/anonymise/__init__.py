"""k-anonymity for a whole table, by local recoding over hierarchies: at least k people behind every printed combination."""

__all__: list[str] = []
