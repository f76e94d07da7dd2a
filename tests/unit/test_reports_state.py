"""What the reports leave on the disk: a repeated micro-batch starts from the same past, and what is old goes."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pyarrow.parquet as pq
import pytest

from privacy.reports.day_counts import HOUR_MS
from privacy.reports.events import Payment, Widths
from privacy.reports.ledger import ReportLedger
from privacy.reports.parquet import ParquetFiles
from privacy.reports.retention import Sweeper
from privacy.reports.runner import read_merchants
from privacy.reports.state import ReportState, ReportTerms
from storage.reports import ReportDocument, ReportRow
from veilocity import settings as kernel_settings
from veilocity.errors import SettingsError, StateError

TERMS = ReportTerms(5, Widths(), {"*": 1}, 7, "check")
DAY_MS = 24 * HOUR_MS


def with_payment(state: ReportState, event_ms: int, person: str = "p") -> ReportState:
    payment = Payment(event_ms, person, "flagged", "shop", "food", "EUR", 100, "unknown")
    state.frauds.add(payment, TERMS.widths)
    state.day_counts.add(payment)
    return state


def plain(state: ReportState) -> object:
    return msgspec.to_builtins(msgspec.structs.replace(state, day_counts=msgspec.structs.replace(state.day_counts, changed=set())))


def test_a_state_comes_back_with_its_hours_and_a_repeated_batch_finds_its_past(tmp_path: Path) -> None:
    ledger = ReportLedger(tmp_path, TERMS)
    first = with_payment(ReportState(), 5)
    ledger.commit(0, first)
    known = plain(first)
    assert plain(ledger.load(0)) == known
    for _ in range(2):
        second = with_payment(with_payment(ledger.load(0), HOUR_MS + 7), 6, "q")
        ledger.commit(1, second)
        assert plain(ledger.load(0)) == known
        assert plain(ledger.load(1)) == plain(second)
    assert ledger.load(1).day_counts.hours == {0: {"p": 1, "q": 1}, HOUR_MS: {"p": 1}}
    ledger.commit(2, ledger.load(1))
    ledger.commit(3, ledger.load(2))
    # What nothing can ask for again is gone; hours that did not change keep the file of the batch that wrote them.
    assert sorted(path.name for path in (tmp_path / "state").iterdir()) == ["00000002.entry", "00000003.entry"]
    assert sorted(path.name for path in (tmp_path / "hours").iterdir()) == ["0-00000001.hour", f"{HOUR_MS}-00000001.hour"]


def test_what_does_not_belong_together_is_refused(tmp_path: Path) -> None:
    ledger = ReportLedger(tmp_path, TERMS)
    ledger.check(committed=-1, begun=-1)
    with pytest.raises(StateError, match="do not belong together"):
        ledger.check(committed=0, begun=0)
    ledger.commit(0, ReportState())
    ledger.check(committed=-1, begun=0)
    with pytest.raises(StateError, match="do not belong together"):
        ledger.check(committed=-1, begun=-1)
    with pytest.raises(StateError, match="put them back"):
        ReportLedger(tmp_path, msgspec.structs.replace(TERMS, k=6)).check(committed=0, begun=0)


def document(end_ms: int) -> ReportDocument:
    rows = (ReportRow(1, "a", "A", "food", 5, {"EUR": 9}),)
    return ReportDocument(f"merchants:{end_ms - 30_000}", "merchants", end_ms - 30_000, end_ms, 5, rows=rows)


def test_parquet_files_are_overwritten_by_a_repeated_batch_and_old_days_go(tmp_path: Path) -> None:
    files = ParquetFiles(tmp_path / "parquet")
    for _ in range(2):
        files.write(3, [document(30_000), document(60_000), document(DAY_MS + 30_000)])
    names = sorted(str(file.relative_to(tmp_path / "parquet")) for file in tmp_path.rglob("*.parquet"))
    assert names == [f"report=merchants/date=1970-01-0{day}/batch-00000003.parquet" for day in (1, 2)]
    (first, second) = pq.ParquetFile(tmp_path / "parquet" / names[0]).read().to_pylist()
    assert (first["end_ms"], second["end_ms"], first["rows"][0]["amounts"]) == (30_000, 60_000, [("EUR", 9)])
    files.delete_before(DAY_MS)
    assert [file.parent.name for file in tmp_path.rglob("*.parquet")] == ["date=1970-01-02"]
    files.begin_anew()
    assert list(tmp_path.rglob("*.parquet")) == []


def test_old_documents_and_files_are_deleted_by_whole_days(tmp_path: Path) -> None:
    class Store:
        before_ms = 0

        def delete_before(self, end_ms: int) -> int:
            self.before_ms = end_ms
            return 7

    files, store = ParquetFiles(tmp_path), Store()
    files.write(0, [document(2 * DAY_MS - 1), document(3 * DAY_MS)])
    sweeper = Sweeper(kernel_settings.load({}, reports_keep_days=3), store, files)  # type: ignore[arg-type]  # what it asks of the store
    assert sweeper.sweep(5 * DAY_MS + 5) == 7
    assert store.before_ms == 2 * DAY_MS
    assert [file.parent.name for file in tmp_path.rglob("*.parquet")] == ["date=1970-01-04"]


def test_the_file_of_merchants_is_read_or_refused(tmp_path: Path) -> None:
    file = tmp_path / "merchants.csv"
    file.write_text("merchant,name,category\na,The shop,food\n", encoding="utf-8")
    assert read_merchants(kernel_settings.load({}, reports_merchants_file=str(file))) == {"a": ("The shop", "food")}
    file.write_text("id,name\na,b\n", encoding="utf-8")
    with pytest.raises(SettingsError, match="merchant,name,category"):
        read_merchants(kernel_settings.load({}, reports_merchants_file=str(file)))
    assert read_merchants(kernel_settings.load({})) == {}
