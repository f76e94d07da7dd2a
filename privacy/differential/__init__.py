"""Published aggregates with noise: differential privacy with a budget that is charged once and refuses when it is spent."""

__all__: list[str] = []
