"""Rows 35 to 48: profiles, counts, learned rules, schema'd topics, sustained rates and other stores."""

from __future__ import annotations

import csv
import tempfile
import threading
import time
from pathlib import Path

from devstack.services import address
from ingest.produce.batching import Sizes
from ingest.produce.csv_feed import CsvPlay, play_csv
from ingest.produce.mapping import mapping_named
from ingest.produce.profiles import Profile, Profiles
from ingest.produce.sustained import Reached, sustain
from ingest.push import Pusher
from ingest.simulator.clock import Clock
from privacy.identifiers.cards import display
from veilocity.cli.doctor import examine
from veilocity.cli.tour.extras import asked, reported
from veilocity.cli.tour.models import scored_by, swapped, watched
from veilocity.cli.tour.released import stored
from veilocity.cli.tour.stops import Found, Stop, failed, ok
from veilocity.cli.tour.visit import Visit
from veilocity.monitoring.dashboards import DASHBOARDS
from veilocity.monitoring.panels import render

__all__ = ["STOPS"]


def _pusher(visit: Visit) -> Pusher:
    return Pusher(address("ingest", visit.settings), visit.settings.ingest_token.get_secret_value(), patience_s=20.0)


def _sustained(visit: Visit, profile: Profile, rate: float, count: int) -> tuple[Reached, list[str]]:
    labels: list[str] = []
    with _pusher(visit) as pusher:
        source = Profiles(profile, time.time_ns() % 2**31)
        reached = sustain(source, rate, count, pusher, threading.Event(), label=lambda one: labels.append(one.label))
    return reached, labels


def _profiles(visit: Visit) -> Found:
    reached, labels = _sustained(visit, Profile.MIXED, 20.0, 40)
    if reached.answer.accepted != 40:
        return failed(f"{reached.answer.accepted} of 40 payments were accepted.")
    return ok(f"40 payments at {reached.reached_per_s:.0f}/s, {labels.count('hacker')} of hackers: only the label file knows which.")


def _counted(visit: Visit) -> Found:
    found = reported(visit, "day_counts", "24-hour counts of {windows} steps are published; the newest counts {count} people.")
    if found.state.value == "ok":
        return found
    tail = visit.tail
    source = Profiles(Profile.HACKER, time.time_ns() % 2**31)
    made = [source.make(number, time.time_ns() // 1_000_000 - 2_000 + 10 * number) for number in range(40)]
    import msgspec  # noqa: PLC0415  # for the raw bodies alone

    visit.send("/v1/transactions", [msgspec.Raw(item.body) for one in made for item in one.items])
    names = [one.label.id for one in made]
    tail.until(lambda: all(name in tail.decisions for name in names), 60.0)
    often = [reason for name in names if name in tail.decisions for reason in tail.decisions[name].reasons if "payments" in reason]
    if not often:
        return failed("nobody who pays seven times in a second was found to pay often.")
    return ok(f"people who pay seven times in a row are found by counts from the stream alone: {', '.join(sorted(set(often)))}.")


def _boosting(visit: Visit) -> Found:
    return scored_by(visit, "boosting")


def _autoencoder(visit: Visit) -> Found:
    return scored_by(visit, "autoencoder")


def _pipeline(_visit: Visit) -> Found:
    (pipeline,) = (render(one) for one in DASHBOARDS if one.name == "fraud-pipeline")
    panels = [panel["title"] for panel in pipeline["panels"] if panel["type"] != "row"]
    if len(panels) < 7:
        return failed(f"{len(panels)} panels.")
    return ok(f"deploy/grafana has the fraud pipeline with {len(panels)} panels, refreshed every {pipeline['refresh']}.")


def _replayed(visit: Visit, rows: int, every_s: int) -> tuple[int, int]:
    """Play a small file in batches; return how many rows were accepted, and how many batches there were."""
    batches = 0

    def count(*_: object) -> None:
        nonlocal batches
        batches += 1

    with tempfile.TemporaryDirectory() as folder, _pusher(visit) as pusher:
        file = Path(folder) / "cards.csv"
        columns = ["trans_date_trans_time", "cc_num", "merchant", "category", "amt", "merch_lat", "merch_long", "trans_num"]
        with file.open("w", encoding="utf-8", newline="") as stream:
            writer = csv.writer(stream)
            writer.writerow(columns)
            for number in range(rows):
                name = f"tour-{visit.mark}-{every_s}-{number}"
                writer.writerow(["2019-01-01 00:00:18", f"tour-card-{number}", "m", "gas", "5.00", "40.125", "-80.5", name])
        now_ms = time.time_ns() // 1_000_000
        clock = Clock(now_ms - 60_000, now_ms, 600.0)
        play = CsvPlay(file, Sizes(20, 40, 1), every_s, mapping_named("cards"))
        answer = play_csv(play, pusher, clock, threading.Event(), report=count)
    return answer.accepted, batches


def _file(visit: Visit) -> Found:
    accepted, _ = _replayed(visit, 100, 1)
    return ok("a CSV file of 100 rows is in Kafka, every row once.") if accepted == 100 else failed(f"{accepted} of 100 rows accepted.")


def _schemas(visit: Visit) -> Found:
    tail = visit.tail
    mark = f"tour-bad-{visit.mark}"
    visit.send("/v1/transactions", [{"id": mark, "card": "4.5E+15"}])
    if not tail.until(lambda: any(mark in one.payload for one in tail.rejects), 20.0):
        return failed("a bad row did not reach the topic of rejects.")
    reason = next(one.reason.value for one in tail.rejects if mark in one.payload)
    extra = asked(visit, "registry_url", "avro_metrics_port", "the feed of Avro with a registry", "veilocity feeds avro")
    return ok(f"a bad row is routed to `rejects` as {reason}, its neighbours go on. Avro: {extra.sentence}")


def _sql(visit: Visit) -> Found:
    document = stored(visit, visit.story.fraud)
    if document is None:
        return failed("the payment is not in MongoDB within 90 s.")
    return ok(f"a policy file masks ({display('4539148803436467')}), fills in and joins: the stored payment has {len(document)} fields.")


def _rate(visit: Visit) -> Found:
    reached, _ = _sustained(visit, Profile.NORMAL, 80.0, 240)
    told = f"{reached.reached_per_s:.1f} a second of 80, at most {reached.latest_s:.2f} s late, {reached.answer.accepted} accepted."
    return ok(told) if reached.reached_per_s >= 76.0 and reached.answer.accepted == 240 else failed(told)


def _decided(visit: Visit) -> Found:
    found = examine(visit.settings)
    if found.conservation.violated:
        return failed("something was lost or doubled: `veilocity doctor` says what.")
    counts = {name: found.counters.get(name, 0) for name in ("decided", "flagged", "clear", "not_scorable")}
    return ok(", ".join(f"{count:,} {name.replace('_', ' ')}" for name, count in counts.items()) + "; nothing lost or doubled.")


def _cassandra(visit: Visit) -> Found:
    return asked(
        visit, "cassandra_hosts", "cassandra_metrics_port", "the second store of payments in Cassandra", "veilocity sinks cassandra"
    )


def _searchable(visit: Visit) -> Found:
    if stored(visit, visit.story.fraud) is None:
        return failed("the payment is not stored within 90 s.")
    prefix = visit.settings.elasticsearch_index_prefix
    flagged = visit.elasticsearch(f"{prefix}-transactions/_count?q=verdict:flagged")["count"]
    return ok(f"{flagged:,} flagged payments can be searched; `veilocity kibana import` brings the dashboards into a Kibana.")


STOPS = (
    Stop(35, "Normal and hacker producers", "Two profiles on one topic, and nothing in a message says which.", _profiles),
    Stop(36, "24-hour transaction count", "Counted by the stream from its state, never sent.", _counted),
    Stop(37, "Pre-trained model in the stream", "Learned rules score every payment, many at a time.", _boosting),
    Stop(38, "Fraud dashboard in Grafana", "Seven panels of the pipeline as code.", _pipeline),
    Stop(39, "Retraining and hot swap", "Versions are promoted and rolled back while the service runs.", swapped),
    Stop(40, "Replay of a CSV file", "A file is played at a set pace.", _file),
    Stop(41, "Schema'd topics, bad rows routed", "Contracts with versions; a bad row goes to its own topic with a reason.", _schemas),
    Stop(42, "Masking, defaults and joins", "What a policy file and the rules' states do with each payment.", _sql),
    Stop(43, "Autoencoder in the stream", "Trained on normal payments, with a threshold from precision and recall.", _autoencoder),
    Stop(44, "Monitoring of models", "Precision by analysts' labels, and drift.", watched),
    Stop(45, "80 transactions a second", "A sustained rate, kept by a schedule and told.", _rate),
    Stop(46, "Decision on every transaction", "Flagged, clear, or not scorable with a reason.", _decided),
    Stop(47, "Cassandra", "An optional second store of masked payments.", _cassandra),
    Stop(48, "Search in real time", "Decisions can be searched seconds after the payment.", _searchable),
)


def paced(visit: Visit) -> Found:
    """Play a file in batches with evenly spread seconds."""
    accepted, batches = _replayed(visit, 150, 5)
    told = f"150 rows in {batches} batches of 20 to 40, five seconds each, {accepted} accepted."
    return ok(told) if accepted == 150 and batches > 1 else failed(told)
