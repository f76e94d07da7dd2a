"""Budget and drawn publications in one piece, so that no crash can part them.

    log, record = log.drawn(payments, window, policy, key)      charged and drawn once; a replay gets the record that is there
    the caller writes log.to_bytes()                            atomically, before anything is shown; needed only if the log changed
    publish(record)

A charge without its record would have to be drawn again, and a record without its charge would be free; both are the averaging attack.
Therefore they are one state and one write. A crash before the write leaves nothing that anybody saw; a crash after it finds the record.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from privacy.differential.budget import Budget, Charge
from privacy.differential.counts import CountsPolicy, CountsRecord, Payment, Window, draw
from privacy.differential.saved import from_saved, to_saved
from veilocity.errors import StateError, UnsafePolicyError

__all__ = ["PublicationLog"]

_KIND = b"DPLG"


class PublicationLog(msgspec.Struct, frozen=True):
    """What was charged and drawn. Secret it is not: figures are noisy, and charges are public.

    >>> from privacy.differential.budget import BudgetPolicy
    >>> week = BudgetPolicy(release_epsilon=1.0, release_delta=0.0, person_epsilon=1.0, person_delta=0.0, horizon_ms=7 * 86_400_000)
    >>> policy = CountsPolicy(name="daily", epsilon=1.0, payments_per_person=2, public_cells=("a",))
    >>> log, first = PublicationLog(Budget(week)).drawn([], Window(0, 86_400_000), policy, key=bytes(32))
    >>> again, second = PublicationLog.from_bytes(log.to_bytes()).drawn([], Window(0, 86_400_000), policy, key=bytes(32))
    >>> first == second, again == log
    (True, True)
    """

    budget: Budget
    records: tuple[CountsRecord, ...] = ()
    """In the order they were drawn."""

    def drawn(self, payments: Sequence[Payment], window: Window, policy: CountsPolicy, key: bytes) -> tuple[PublicationLog, CountsRecord]:
        """Return the record of a closed window, drawn now or remembered, and the log that holds it.

        The log that comes back is this very object where nothing was drawn; otherwise it must be written before the record is shown.

        Args:
            payments: as `counts.draw` takes them; not looked at where the window was drawn before.
            window: the closed window.
            policy: what is published; its name names the publication.
            key: 32 bytes.

        Raises:
            BudgetExhaustedError: the window would cost more than is left: nothing was drawn.
            UnsafePolicyError: the window was drawn under another policy of the same name.
            UnsafeReleaseError: a payment outside the window, or twice.
            StateError: the window is older than what is remembered.
        """
        held = next((one for one in self.records if one.window == window and one.policy.name == policy.name), None)
        if held is not None:
            if held.policy != policy:
                raise UnsafePolicyError(f"a window was drawn under another policy `{policy.name}`: a changed policy needs a new name")
            return self, held
        charge = Charge(window.start_ms, window.end_ms, policy.name, policy.epsilon, policy.delta)
        if self.budget.find(charge) is not None:
            raise StateError("a window was charged, but what was drawn for it is not remembered: it cannot be published again")
        # Charged first: what is refused must not be drawn.
        budget = self.budget.charge(charge)
        record = draw(payments, window, policy, key)
        return PublicationLog(budget, (*self.records, record)), record

    def forget(self, before_ms: int) -> PublicationLog:
        """Return the log without the records of windows that start before a time; those are never published again."""
        records = tuple(one for one in self.records if one.window.start_ms >= before_ms)
        return PublicationLog(self.budget.forget(before_ms), records)

    def to_bytes(self) -> bytes:
        """Return the log as bytes."""
        return to_saved(_KIND, self)

    @classmethod
    def from_bytes(cls, data: bytes) -> PublicationLog:
        """Return the log that `to_bytes` wrote.

        Raises:
            StateError: damaged, cut, of another kind or newer.
        """
        return from_saved(_KIND, data, cls)
