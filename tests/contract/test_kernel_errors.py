"""The drawn tree is the tree."""

from __future__ import annotations

import re

import pytest

from veilocity import errors
from veilocity.errors import FatalError, RejectError, RetryableError, VeilocityError

_LINE = re.compile(r"^ {4}(?P<indent>[│ ]*)(?:[├└]── )?(?P<name>\w+Error)\b(?P<meaning>.*)$")


def drawn_tree() -> dict[str, str | None]:
    """Return class name to base name, as the module docstring draws it."""
    assert errors.__doc__
    parents: list[str] = []
    tree: dict[str, str | None] = {}
    for line in errors.__doc__.splitlines():
        match = _LINE.match(line)
        if match is None:
            continue
        is_root = "──" not in line
        depth = 0 if is_root else len(match["indent"]) // 4 + 1
        del parents[depth:]
        tree[match["name"]] = parents[-1] if parents else None
        parents.append(match["name"])
    return tree


def real_tree() -> dict[str, str | None]:
    """Return class name to base name, as Python knows it."""
    classes = [value for value in vars(errors).values() if isinstance(value, type) and issubclass(value, VeilocityError)]
    return {cls.__name__: (cls.__base__.__name__ if cls is not VeilocityError and cls.__base__ else None) for cls in classes}


def test_drawn_tree_is_the_real_tree() -> None:
    assert drawn_tree() == real_tree()
    assert len(real_tree()) > 10


def test_every_error_is_on_exactly_one_branch() -> None:
    branches = (RetryableError, RejectError, FatalError)
    for name in real_tree():
        cls = getattr(errors, name)
        if cls is not VeilocityError:
            assert sum(issubclass(cls, branch) for branch in branches) == 1, name


def test_every_error_is_exported_and_described() -> None:
    assert set(real_tree()) <= set(errors.__all__)
    for name in errors.__all__:
        assert getattr(errors, name).__doc__, name


@pytest.mark.parametrize("reason", list(errors.RejectReason))
def test_a_reject_error_keeps_code_and_sentence_apart(reason: errors.RejectReason) -> None:
    error = errors.InvalidInputError(reason, "say it again")
    assert (error.reason, error.detail, str(error)) == (reason, "say it again", f"{reason.value}: say it again")
