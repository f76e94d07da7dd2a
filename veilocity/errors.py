"""Every error Veilocity raises on purpose.

    VeilocityError
    ├── RetryableError            the same call may succeed later: wait and repeat
    │   ├── BrokerUnavailableError    Kafka does not answer
    │   ├── StoreUnavailableError     MongoDB or Elasticsearch does not answer
    │   └── ServiceUnavailableError   a Veilocity service does not answer
    ├── RejectError               this item is bad: record the reason, go on with its neighbours
    │   ├── InvalidInputError         an item from outside breaks its format
    │   ├── ConflictError             somebody else changed it first
    │   └── ContractError             a record on a topic is not what the contract says
    │       └── SchemaVersionError    a record was written by a newer Veilocity
    └── FatalError                nothing will get better by itself: stop and tell the operator
        ├── SettingsError             a setting is unknown, missing or wrong
        │   ├── RuleFileError             a test inside a rule file is red
        │   ├── UnsafePolicyError         a privacy policy would let out what it must not
        │   └── KeyMissingError           a key, or the wanted version of it, is not in the key ring
        ├── DependencyError           something to install is missing or too old
        ├── PortTakenError            another program holds a port we need
        ├── FencedError               another instance took over this instance's work
        ├── StateError                saved state is unreadable, or newer than this program
        ├── SketchMismatchError       two sketches with different parameters were combined
        ├── UnsafeReleaseError        a class failed its proof just before it would have been released
        ├── BudgetExhaustedError      a publication would spend more privacy budget than is left
        ├── ErasedError               the key of a person is deleted: what it sealed cannot be read by anybody
        ├── ForbiddenError            the role of whoever asked does not allow it
        └── AuditFailedError          the auditor found what must not be in a store

The three branches are what a loop needs to know: retry, reject or stop. A message says what happened and what to do next; it never
holds an identifier, so it may be logged.
"""

from __future__ import annotations

from enum import StrEnum

__all__ = [
    "AuditFailedError",
    "BrokerUnavailableError",
    "BudgetExhaustedError",
    "ConflictError",
    "ContractError",
    "DependencyError",
    "ErasedError",
    "FatalError",
    "FencedError",
    "ForbiddenError",
    "InvalidInputError",
    "KeyMissingError",
    "PortTakenError",
    "RejectError",
    "RejectReason",
    "RetryableError",
    "RuleFileError",
    "SchemaVersionError",
    "ServiceUnavailableError",
    "SettingsError",
    "SketchMismatchError",
    "StateError",
    "StoreUnavailableError",
    "UnsafePolicyError",
    "UnsafeReleaseError",
    "VeilocityError",
]


class RejectReason(StrEnum):
    """Why an item was refused: the code in `rejects`, in answers and in metric labels."""

    MALFORMED = "malformed"
    """Not JSON, or not the shape the protocol describes."""
    MISSING_FIELD = "missing_field"
    """A field without which the item means nothing is absent."""
    INVALID_FIELD = "invalid_field"
    """A field is present but cannot be what it claims to be."""
    INVALID_COORDINATES = "invalid_coordinates"
    """Latitude or longitude out of range, not finite, or only one of the two."""
    INVALID_TIME = "invalid_time"
    """The time cannot be read, or lies before 2000."""
    FUTURE_TIME = "future_time"
    """The time lies further in the future than clocks may differ."""
    DAMAGED_IDENTIFIER = "damaged_identifier"
    """A spreadsheet turned the identifier into an exponent (4.5E+15): people would be merged."""
    TOO_LARGE = "too_large"
    """One item is larger than a record may be."""
    UNKNOWN_SCHEMA = "unknown_schema"
    """Written by a newer version than this program can read."""
    UNDECODABLE = "undecodable"
    """A record on a topic does not decode as its contract."""
    UNDECRYPTABLE = "undecryptable"
    """An encrypted body that no key of the stated device opens, or that speaks for another device."""
    NOT_ENCRYPTED = "not_encrypted"
    """A device that has a key sent in clear."""
    CONFLICT = "conflict"
    """Somebody else changed it first: read it again and decide anew."""


class VeilocityError(Exception):
    """Root of the tree: catch it to catch everything Veilocity raises on purpose."""


class RetryableError(VeilocityError):
    """The same call may succeed later."""


class BrokerUnavailableError(RetryableError):
    """Kafka does not answer, or did not acknowledge in time."""


class StoreUnavailableError(RetryableError):
    """MongoDB or Elasticsearch does not answer."""


class ServiceUnavailableError(RetryableError):
    """A Veilocity service does not answer."""


class RejectError(VeilocityError):
    """This item is refused with `reason`; its neighbours go on."""

    def __init__(self, reason: RejectReason, detail: str) -> None:
        """Keep the code apart from the sentence.

        Args:
            reason: the code for counters and for the sender's program.
            detail: what is wrong and how to mend it, for the sender; names fields, never their values.
        """
        super().__init__(f"{reason.value}: {detail}")
        self.reason = reason
        self.detail = detail


class InvalidInputError(RejectError):
    """An item from outside breaks the format of its protocol."""


class ConflictError(RejectError):
    """Somebody else changed it first: read it again and decide anew. The sentence says who of the staff changed it to what."""

    def __init__(self, detail: str) -> None:
        """Take what is there now, for whoever was slower."""
        super().__init__(RejectReason.CONFLICT, detail)


class ContractError(RejectError):
    """A record on a topic is not what the contract says."""


class SchemaVersionError(ContractError):
    """A record was written by a newer Veilocity: upgrade this service first."""


class FatalError(VeilocityError):
    """Stop: nothing gets better by waiting."""


class SettingsError(FatalError):
    """A setting is unknown, missing or wrong."""


class RuleFileError(SettingsError):
    """A test inside a rule file is red, so the rule must not judge anybody."""


class UnsafePolicyError(SettingsError):
    """A privacy policy would let out what it must not, or cannot be understood: the sentence names the field."""


class KeyMissingError(SettingsError):
    """A key, or the wanted version of it, is not in the key ring."""


class DependencyError(FatalError):
    """Something that must be installed is missing or too old."""


class PortTakenError(FatalError):
    """Another program holds a port we need."""


class FencedError(FatalError):
    """Another instance took over this instance's work; going on would write twice."""


class StateError(FatalError):
    """Saved state is unreadable, or was written by a newer version."""


class SketchMismatchError(FatalError):
    """Two sketches with different parameters cannot be combined."""


class UnsafeReleaseError(FatalError):
    """A class failed its proof just before it would have been released."""


class BudgetExhaustedError(FatalError):
    """A publication would spend more privacy budget than is left: it is refused, and nothing of it is published."""


class ErasedError(FatalError):
    """The key of a person is deleted: what it sealed cannot be read by anybody any more."""


class ForbiddenError(FatalError):
    """The role of whoever asked does not allow it; the sentence names the role that does."""


class AuditFailedError(FatalError):
    """The auditor found what must not be in a store; the message names the record."""
