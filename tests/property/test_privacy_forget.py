"""Forgetting people at any time, in any cut of the stream and with any crashes: everything adds up, and no file names them afterwards."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given, settings
from hypothesis import strategies as st

from privacy.erasure_requests import Request, Requests
from privacy.ledger import Ledger
from privacy.masking import MONGODB
from tests.unit.privacy_world import PAYMENTS, POLICY, Store, part, released, stage
from veilocity.errors import StoreUnavailableError

PEOPLE = sorted({one.person for one in PAYMENTS})


@settings(max_examples=25, deadline=None)
@given(
    cuts=st.lists(st.integers(1, 399), min_size=3, max_size=12, unique=True).map(sorted),
    forgotten=st.sets(st.sampled_from(PEOPLE), min_size=1, max_size=4),
    asked=st.integers(0, 12),
    crashes=st.sets(st.tuples(st.integers(0, 15), st.sampled_from(["fail_before", "fail_after", "stopped"])), max_size=4),
)
def test_nothing_is_lost_and_nobody_forgotten_is_left(
    cuts: list[int], forgotten: set[str], asked: int, crashes: set[tuple[int, str]]
) -> None:
    with TemporaryDirectory() as name:
        folder = Path(name)
        store, requests = Store(), Requests(folder)
        running = stage(folder, store, 4)
        chunks = [PAYMENTS[start:end] for start, end in zip([0, *cuts], [*cuts, len(PAYMENTS)], strict=True)]
        asked = min(asked, len(chunks) - 1)
        theirs = {one.documents[MONGODB].id for one in PAYMENTS if one.person in forgotten}
        for number, chunk in enumerate([*chunks, [], [], []]):
            if number == asked:
                for person in sorted(forgotten):
                    payments = tuple(one.documents[MONGODB].id for one in PAYMENTS if one.person == person)
                    requests.add(Request(person, payments))
            # After the request nothing more of them comes, or it would be new.
            given_now = [one for one in chunk if number < asked or one.person not in forgotten]
            for moment in (moment for where, moment in crashes if where == number and moment != "stopped"):
                setattr(store, moment, number + 1)
            if (number, "stopped") in crashes:
                Ledger(folder, POLICY, 4).accept(committed=number - 1, begun=number - 1)
                running = stage(folder, store, 4)
            while True:
                try:
                    running.process([part(given_now)], number, {})
                    break
                except StoreUnavailableError:
                    running = stage(folder, store, 4)
        last = store.progress
        assert last is not None
        assert last.transactions == last.released + last.suppressed + last.late + last.pending + last.erased
        assert sum(one.payments for one in released(store)) == last.released
        assert requests.ids() == ()
        assert not [person for person in forgotten if requests.names(person, theirs)]
        waiting = last.pending and any(requests.names(person, set()) for person in PEOPLE if person not in forgotten)
        assert waiting or not last.pending
