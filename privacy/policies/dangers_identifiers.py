"""Why a policy's identifiers are not safe: each function is one danger, with its reason and source, and yields its faults."""

from __future__ import annotations

from collections.abc import Iterator

from privacy.policies.catalogue import Kind
from privacy.policies.draft import Draft, Fault, Rule
from privacy.policies.model import PERSON_KINDS, PSEUDONYMS_KEY
from privacy.policies.operators import Encrypt, Hash, Keep, Mask, Token
from privacy.policies.operators.encrypt import ALPHABETS
from privacy.tokens import TokenKind

__all__ = ["IDENTIFIER_DANGERS"]

_SMALLEST_DOMAIN = 1_000_000
_MOST_FIRST, _MOST_LAST = 8, 4
_LONGEST_PERIOD_DAYS = 366
_DAY_MINUTES = 1440


def _cards(draft: Draft) -> list[Rule]:
    return [rule for rule in draft.rules if rule.field.token_kind is TokenKind.CARD]


def identifier_kept(draft: Draft) -> Iterator[Fault]:
    """An identifier that passes as it is names its person to every reader of the store.

    Source: GDPR article 4(5); PCI DSS 4.0.1 requirement 3.5.1 for card numbers.
    """
    for rule in draft.of_kind(Kind.IDENTIFIER):
        if isinstance(rule.operator, Keep):
            yield rule.fault("identifier-kept", "an identifier must not leave as it is: write token, or drop")


def mask_of_no_card(draft: Draft) -> Iterator[Fault]:
    """Cutting an identifier that is no card number leaves most of it, and short ones whole: formats are defined for card numbers alone.

    Source: PCI SSC FAQ 1091.
    """
    for rule in draft.of_kind(Kind.IDENTIFIER):
        if isinstance(rule.operator, Mask) and rule.field.token_kind is not TokenKind.CARD:
            yield rule.fault("mask-of-no-card", "mask is for card numbers: write token, or drop")


def unkeyed_hash(draft: Draft) -> Iterator[Fault]:
    """Identifiers are few: 10^9 card numbers stand behind one issuer number, and all their hashes are computed in minutes, salt or not.

    Source: PCI DSS 4.0.1 requirement 3.5.1.1 (keyed cryptographic hash of the whole number).
    """
    for rule in draft.rules:
        if isinstance(rule.operator, Hash):
            yield rule.fault("unkeyed-hash", "an unkeyed hash can be tried out against every identifier: write token, which has a key")


def key_unnamed(draft: Draft) -> Iterator[Fault]:
    """A token without a key of the key ring is an unkeyed hash, and a key with two purposes can be turned from one against the other.

    Source: NIST SP 800-57 part 1 rev. 5, section 5.2 (one key, one purpose).
    """
    if draft.policy.pseudonyms.key != PSEUDONYMS_KEY:
        sentence = f"tokens without a key are unkeyed hashes, and theirs has the purpose {PSEUDONYMS_KEY}: write `key: {PSEUDONYMS_KEY}`"
        yield Fault("key-unnamed", "pseudonyms.key", "", sentence)


def card_pseudonym_and_truncation(draft: Draft) -> Iterator[Fault]:
    """A pseudonym of the whole number beside its truncation leaves a million numbers to try, and each guess can be checked.

    It makes no difference that one is in MongoDB and the other in Elasticsearch: who reads both has both. Source: PCI SSC FAQ 1308; PCI DSS
    4.0.1 requirement 3.5.1.
    """
    cards = _cards(draft)
    if not any(isinstance(rule.operator, Token | Hash | Encrypt) for rule in cards):
        return
    for rule in cards:
        if isinstance(rule.operator, Mask):
            sentence = (
                "the same card number has a pseudonym elsewhere, which a truncation helps to undo: write drop here, or mask everywhere"
            )
            yield rule.fault("card-pseudonym-and-truncation", sentence)


def two_truncations(draft: Draft) -> Iterator[Fault]:
    """Two truncations of one number together show more digits than either may.

    Source: PCI SSC FAQ 1091 and 1117.
    """
    masks = [rule for rule in _cards(draft) if isinstance(rule.operator, Mask)]
    for rule in masks[1:]:
        if rule.operator != masks[0].operator:
            yield rule.fault(
                "two-truncations", f"the same card number is cut in two ways: write {masks[0].operator.words()} here, too, or drop"
            )


def truncation_too_long(draft: Draft) -> Iterator[Fault]:
    """Of a card number at most the issuer's digits (8) and the last four may stay, and fewer where it is shorter.

    Source: PCI DSS 4.0.1 requirement 3.4.1; PCI SSC FAQ 1091.
    """
    for rule in draft.rules:
        if isinstance(rule.operator, Mask) and (rule.operator.first > _MOST_FIRST or rule.operator.last > _MOST_LAST):
            yield rule.fault(
                "truncation-too-long", "PCI lets at most the first 8 and the last 4 digits stay: write {mask: {first: 6, last: 4}}"
            )


def cipher_domain_small(draft: Draft) -> Iterator[Fault]:
    """A cipher on fewer than a million values can be read from a table of them. The check digit of a card number adds none.

    Source: NIST SP 800-38G Rev. 1, section 5.2 (radix^minlen >= 1,000,000).
    """
    for rule in draft.rules:
        if not isinstance(rule.operator, Encrypt):
            continue
        free = rule.operator.min_length - (rule.field.token_kind is TokenKind.CARD)
        # Bounded, as a policy may ask for any length.
        if len(ALPHABETS[rule.operator.alphabet]) ** min(max(free, 0), 64) < _SMALLEST_DOMAIN:
            shortest = next(n for n in range(64) if len(ALPHABETS[rule.operator.alphabet]) ** n >= _SMALLEST_DOMAIN)
            shortest += rule.field.token_kind is TokenKind.CARD
            sentence = f"so short identifiers are fewer than a million: write min_length: {shortest} or more, or token"
            yield rule.fault("cipher-domain-small", sentence)


def tweak_shared(draft: Draft) -> Iterator[Fault]:
    """Two fields under one key and one tweak are one permutation: equal texts in both are seen to be equal, and one gives the other away.

    Fields that hold the same kind of identifier may share it, so that they join. Source: NIST SP 800-38G Rev. 1, appendix C.
    """
    owner: dict[str, Rule] = {}
    for rule in draft.rules:
        if not isinstance(rule.operator, Encrypt):
            continue
        first = owner.setdefault(rule.operator.tweak, rule)
        if first.field.token_kind is not rule.field.token_kind:
            yield rule.fault("tweak-shared", f"{first.where} is encrypted under the same key and tweak: write another tweak here")


def stores_joinable(draft: Draft) -> Iterator[Fault]:
    """One pseudonym in two stores makes them one store: who reads both reads the sum of what each was allowed to show.

    Source: EDPB Guidelines 01/2025 on pseudonymisation (pseudonymisation domain).
    """
    if draft.policy.sinks.joinable:
        return
    for rule in draft.rules:
        if isinstance(rule.operator, Token | Encrypt) and rule.operator.scope == "shared":
            sentence = "it is the same in every store, so the stores can be joined: write scope: sink, or say joinable: true under sinks"
            yield rule.fault("stores-joinable", sentence)


def period_unsafe(draft: Draft) -> Iterator[Fault]:
    """A pseudonym that never changes gathers a person's places until they single the person out: four are enough for 95 of 100 people.

    One that changes within the widest window lets a person count twice in a class. Source: de Montjoye et al., "Unique in the Crowd",
    Scientific Reports 3 (2013).
    """
    widest = max(draft.policy.releases.tiers_minutes, default=0)
    for kind in PERSON_KINDS:
        days = draft.policy.period_days(kind)
        if days is None or not 1 <= days <= _LONGEST_PERIOD_DAYS:
            sentence = "a person's pseudonym must change: write a period between 1 and 366 days, as in `period_days: 7`"
            yield Fault("period-unsafe", f"pseudonyms.{kind.value}", "", sentence)
        elif widest > 0 and days * _DAY_MINUTES % widest:
            sentence = f"it changes within a window of {widest} minutes, so a person would count twice: write a multiple of that"
            yield Fault("period-unsafe", f"pseudonyms.{kind.value}", "", sentence)


IDENTIFIER_DANGERS = {
    "identifier-kept": identifier_kept,
    "mask-of-no-card": mask_of_no_card,
    "unkeyed-hash": unkeyed_hash,
    "key-unnamed": key_unnamed,
    "card-pseudonym-and-truncation": card_pseudonym_and_truncation,
    "two-truncations": two_truncations,
    "truncation-too-long": truncation_too_long,
    "cipher-domain-small": cipher_domain_small,
    "tweak-shared": tweak_shared,
    "stores-joinable": stores_joinable,
    "period-unsafe": period_unsafe,
}
"""Short name to function."""
