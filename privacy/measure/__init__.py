"""How anonymous a table is, and what that cost: k, l, t, risk and loss as plain functions of a pandas or Arrow table."""

__all__: list[str] = []
