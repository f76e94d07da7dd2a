"""How much privacy costs: loss, risk and error of a table for every k, and the k that limits ask for."""

__all__: list[str] = []
