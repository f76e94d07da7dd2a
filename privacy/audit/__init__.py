"""The outsider: reads nothing but the stores, and tells whether what was promised holds."""

__all__: list[str] = []
