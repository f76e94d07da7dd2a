"""The text of rule files: `veilocity.yamltext`, under the name that this room knows it by."""

from __future__ import annotations

from veilocity.yamltext import parse

__all__ = ["parse"]
