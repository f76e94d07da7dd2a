"""The text of policy files: what `veilocity.yamltext` refuses is a policy that cannot be understood, so it is not in force."""

from __future__ import annotations

from veilocity import yamltext
from veilocity.errors import UnsafePolicyError

__all__ = ["parse"]


def parse(text: str, name: str) -> object:
    r"""Return the data of one YAML document.

    Args:
        text: the document.
        name: of the file, for the message.

    Raises:
        UnsafePolicyError: not YAML, or a key stands twice; names file and line.

    >>> parse("card: token\ncard: keep", "a.yaml")
    Traceback (most recent call last):
    veilocity.errors.UnsafePolicyError: a.yaml, line 2: the key 'card' stands twice
    """
    return yamltext.parse(text, name, UnsafePolicyError)
