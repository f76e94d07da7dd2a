"""From a word of the policy to an operator: which operations a kind of value knows, and what their parameters are.

`generalise` and `noise` mean another operator for another kind of value; every other word means one operator. Nothing is guessed: an
operation that does not fit is told with those that do.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from privacy.policies.catalogue import Kind
from privacy.policies.operators import (
    Drop,
    Encrypt,
    GeneraliseAmount,
    GeneraliseDuration,
    GeneraliseFigure,
    GeneraliseFraction,
    GeneralisePlace,
    GeneraliseSentence,
    GeneraliseTime,
    Hash,
    Keep,
    Mask,
    NoiseAmount,
    NoisePlace,
    Operator,
    Seal,
    Token,
)

__all__ = ["OPERATIONS", "GrammarError", "operations_of", "operator_of", "per_sink"]

OPERATIONS = ("drop", "token", "mask", "encrypt", "generalise", "keep", "noise", "seal", "hash")
"""Every word; `hash` is understood only to be refused with its reason."""
_ALWAYS: dict[str, type[Operator]] = {"drop": Drop, "keep": Keep, "seal": Seal}
_BY_KIND: dict[Kind, dict[str, type[Operator]]] = {
    Kind.IDENTIFIER: {"token": Token, "encrypt": Encrypt, "mask": Mask, "hash": Hash},
    Kind.PLACE: {"generalise": GeneralisePlace, "noise": NoisePlace},
    Kind.TIME: {"generalise": GeneraliseTime},
    Kind.AMOUNT: {"generalise": GeneraliseAmount, "noise": NoiseAmount},
    Kind.FIGURE: {"generalise": GeneraliseFigure},
    Kind.DURATION: {"generalise": GeneraliseDuration},
    Kind.FRACTION: {"generalise": GeneraliseFraction},
    Kind.SENTENCE: {"generalise": GeneraliseSentence},
    Kind.EVIDENCE: {},
    Kind.LABEL: {},
    Kind.UNKNOWN: {},
}
_DEFAULT = "default"


class GrammarError(ValueError):
    """An operation cannot be understood; the text says what to write instead. The compiler collects these."""


def operations_of(kind: Kind) -> dict[str, type[Operator]]:
    """Return the operators that a kind of value knows, by their words.

    >>> sorted(operations_of(Kind.PLACE))
    ['drop', 'generalise', 'keep', 'noise', 'seal']
    >>> sorted(operations_of(Kind.UNKNOWN))
    ['drop']
    """
    if kind is Kind.UNKNOWN:
        return {"drop": Drop}
    return {**_ALWAYS, **_BY_KIND[kind]}


def per_sink(written: object, sinks: tuple[str, ...]) -> dict[str, object]:
    """Return what is written for each sink: one operation for all, or `default` and overrides.

    Raises:
        GrammarError: a sink that the record does not go to, or a sink without an operation.

    >>> per_sink({"default": "token", "elasticsearch": "drop"}, ("mongodb", "elasticsearch"))
    {'mongodb': 'token', 'elasticsearch': 'drop'}
    """
    if not isinstance(written, Mapping) or not (set(written) & {_DEFAULT, *sinks}):
        return dict.fromkeys(sinks, written)
    strange = sorted(set(written) - {_DEFAULT, *sinks})
    if strange:
        raise GrammarError(f"'{strange[0]}' is no store that this record goes to: write {_DEFAULT} or one of {', '.join(sinks)}")
    missing = [sink for sink in sinks if sink not in written and _DEFAULT not in written]
    if missing:
        raise GrammarError(f"it says nothing for {missing[0]}: write an operation for it, or a {_DEFAULT}")
    return {sink: written.get(sink, written.get(_DEFAULT)) for sink in sinks}


def operator_of(written: object, kind: Kind) -> Operator:
    """Return the operator that one operation means for this kind of value.

    Raises:
        GrammarError: unknown, not for this kind, or with wrong parameters.

    >>> operator_of({"generalise": {"to": "hour"}}, Kind.TIME)
    GeneraliseTime(to='hour')
    """
    word, parameters = _split(written)
    known = operations_of(kind)
    if word not in OPERATIONS:
        raise GrammarError(f"there is no operation '{word}': write one of {_sorted(known)}")
    if word not in known:
        raise GrammarError(f"`{word}` is not for a value of the kind {kind.value}: write one of {_sorted(known)}")
    operator_type = known[word]
    try:
        operator: Operator = msgspec.convert(parameters, operator_type)
    except msgspec.ValidationError as cause:
        allowed = ", ".join(operator_type.__struct_fields__) or "none"
        raise GrammarError(f"`{word}`: {cause}: its parameters are {allowed}") from cause
    if isinstance(operator, GeneraliseAmount) and operator.band == (operator.significant_digits is not None):
        raise GrammarError("`generalise` of an amount wants either significant_digits or band: true")
    return operator


def _split(written: object) -> tuple[str, dict[str, Any]]:
    if isinstance(written, str):
        return written, {}
    if isinstance(written, Mapping) and len(written) == 1:
        ((word, parameters),) = written.items()
        if parameters is None:
            return str(word), {}
        if isinstance(parameters, Mapping) and "operation" not in parameters:
            return str(word), dict(parameters)
    raise GrammarError("an operation is one word, or one word with its parameters, as in {generalise: {h3_resolution: 7}}")


def _sorted(known: dict[str, type[Operator]]) -> str:
    return ", ".join(word for word in OPERATIONS if word in known and word != "hash")
