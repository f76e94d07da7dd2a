"""Rows 21 to 34: privacy, the stores, the streaming algorithms, alerts and feeds."""

from __future__ import annotations

import tempfile
from itertools import combinations
from pathlib import Path

from privacy.differential.noise import add_laplace, laplace_radius, scale_for
from privacy.identifiers.cards import truncate
from privacy.identifiers.keyring import KeyRing
from privacy.identifiers.pseudonyms import Pseudonymiser
from privacy.tokens import TokenKind
from sketches import AmsF2, Dgim, FlajoletMartin, MergeableTriangles, alike
from veilocity.cli.tour.extras import asked
from veilocity.cli.tour.stops import Found, Stop, absent, failed, ok
from veilocity.cli.tour.visit import Document, Visit

__all__ = ["STOPS"]

_CARD = "4539148803436467"
_STORED_WITHIN_S = 90.0


def _masked(visit: Visit) -> Found:
    story = visit.story
    document = stored(visit, story.fraud)
    if document is None:
        return failed("the payment is decided and not in MongoDB within 90 s: is the privacy stage running?")
    text = repr(document)
    if any(secret in text for secret in story.secrets):
        return failed("a raw identifier of the payment is in the store.")
    return ok("the labelled payment is in MongoDB with tokens, a cell and a rounded amount; none of its raw identifiers is.")


def stored(visit: Visit, transaction: str) -> Document | None:
    """Return the masked document of a payment that was sent, once it is in MongoDB."""
    ring = KeyRing.from_file(visit.settings.token_key_file)
    token = Pseudonymiser(ring, "mongodb", 0).token(TokenKind.TRANSACTION, transaction, 0)
    visit.until(lambda: bool(visit.documents("transactions", {"_id": token}, 1)), _STORED_WITHIN_S)
    found = visit.documents("transactions", {"_id": token}, 1)
    return found[0] if found else None


def _tokens(_visit: Visit) -> Found:
    with tempfile.TemporaryDirectory() as folder:
        ring = KeyRing.generate(Path(folder) / "ring")
    stores = [Pseudonymiser(ring, sink, 0) for sink in ("mongodb", "elasticsearch")]
    first, again, other = (stores[index].token(TokenKind.CARD, _CARD, 1) for index in (0, 0, 1))
    if first != again or first == other:
        return failed("the tokens of a card are not what they should be.")
    return ok(f"the same card is {first[:8]}… in MongoDB each time, and {other[:8]}… in Elasticsearch: neither store opens the other.")


def _classes(visit: Visit) -> Found:
    found = visit.documents("releases", limit=200)
    if not found:
        return absent("not here yet: no window of this system has closed. `veilocity privacy measure` shows it on a table.")
    fewest = min(one["release"]["people"] for one in found)
    wanted = min(one["release"]["k"] for one in found)
    if fewest < wanted:
        return failed(f"a class of {fewest} people was released, fewer than k = {wanted}.")
    return ok(f"the newest {len(found)} released classes have {fewest} people or more each, with k = {wanted}.")


def _curve(visit: Visit) -> Found:
    return ok(f"look at {visit.page('/privacy')}: k against risk and loss; `veilocity privacy curve FILE` does it for a table of yours.")


def _alike(visit: Visit) -> Found:
    items = {f"p{number}": frozenset({"groceries", f"hour-{number % 2}", "small", "near"}) for number in range(10)}
    groups = alike(items, 0.9)
    held = visit.documents("groups", limit=200)
    live = f" The newest {len(held)} groups of the stream have up to {max(one['payments'] for one in held)} payments." if held else ""
    if len(groups) != 2:
        return failed(f"{len(groups)} groups of two behaviours.")
    return ok(f"ten payments of two behaviours are two groups, by what they are and never by ids.{live}")


def _graph(visit: Visit) -> Found:
    return ok(f"look at {visit.page('/streams')}: groups as a graph, by mouse or keyboard, each told in words.")


def _mongodb(visit: Visit) -> Found:
    names = visit.indexes("transactions")
    if len(names) < 2:
        return failed("the collection of payments has no index.")
    return ok(f"payments are found by {len(names)} indexes; a batch that is written again changes nothing; retention is a setting.")


def _elasticsearch(visit: Visit) -> Found:
    prefix = visit.settings.elasticsearch_index_prefix
    mappings = visit.elasticsearch(f"{prefix}-transactions/_mapping")
    count = visit.elasticsearch(f"{prefix}-transactions/_count")["count"]
    if "geo_point" not in repr(mappings):
        return failed("places are not mapped as geo_point.")
    return ok(f"{count:,} masked payments with explicit mappings and geo_point; deploy/kibana has the ten panels.")


def _sketches(_visit: Visit) -> Found:
    items = [f"person-{number % 5_000}" for number in range(20_000)]
    distinct = FlajoletMartin(maps=256, seed=1)
    distinct.update_batch(items)
    second = AmsF2(depth=9, width=1024, seed=1)
    second.update_batch(items)
    window = Dgim(window=1_000, error=0.05)
    window.update_batch([number % 3 == 0 for number in range(5_000)])
    triangles = MergeableTriangles(memory_edges=10_000, seed=1)
    triangles.update_batch(list(combinations(range(20), 2)))
    told = {
        "distinct people (Flajolet-Martin)": (distinct.estimate(), 5_000.0, 0.3),
        "second moment (AMS)": (second.estimate(), 5_000.0 * 16, 0.2),
        "ones in the last 1,000 (DGIM)": (window.estimate(), 334.0, 0.06),
        "triangles of a graph": (triangles.estimate(), 1_140.0, 0.05),
    }
    wrong = [name for name, (estimate, exact, error) in told.items() if abs(estimate - exact) > error * exact]
    if wrong:
        return failed(f"outside of their bounds: {', '.join(wrong)}.")
    return ok("; ".join(f"{name} {estimate:,.0f} of {exact:,.0f}" for name, (estimate, exact, _) in told.items()) + ".")


def _diverse(visit: Visit) -> Found:
    scale = scale_for(1, 1.0)
    noisy, radius = add_laplace([1_000], scale)[0], laplace_radius(scale, 0.999)
    if abs(noisy - 1_000) > radius:
        return failed("noise outside of its interval: once in a thousand visits that is chance.")
    counts = visit.documents("aggregates", limit=1)
    classes = visit.documents("releases", limit=200)
    live = f" {len(classes)} released classes have l >= {min(one['release']['l'] for one in classes)}." if classes else ""
    cost = f" The newest published window cost epsilon {counts[0]['noise']['epsilon']:.2f}." if counts and counts[0].get("noise") else ""
    return ok(f"a count of 1,000 with epsilon 1 is told as {noisy:,} +- {radius}.{live}{cost}")


def _told(visit: Visit) -> Found:
    story = visit.story
    if story.fraud not in story.answers:
        return failed("the labelled fraud was not decided.")
    alert = f"the alert of the labelled fraud came {story.answered_s:.1f} s after the payment"
    if not visit.runs("notify"):
        return ok(f"{alert}; nobody is told, because VEILOCITY_NOTIFICATIONS_FILE names no file (docs/notifications.md).")
    return ok(f"{alert}; the notifier is running and tells its receivers.")


def _segments(visit: Visit) -> Found:
    found = visit.documents("segments", limit=5)
    if not found:
        return absent("not here yet: no window of customer segments is over and released. `veilocity segments --once` looks for one.")
    newest = max(found, key=lambda one: one["start_ms"])
    fewest = min((one["people"] for one in newest["segments"]), default=newest["k"])
    told = f"{len(newest['segments'])} segments of {newest['people']} people, each of {fewest} or more, k = {newest['k']}."
    return ok(told) if fewest >= newest["k"] else failed(told)


def _audit(visit: Visit) -> Found:
    found = visit.documents("audits", limit=1)
    if not found:
        return absent(
            "not here yet: the stage audits itself on a schedule (VEILOCITY_PRIVACY_AUDIT_S); `veilocity privacy audit` does it now."
        )
    if not found[0].get("passed", False):
        return failed("the newest audit found what must not be in a store: look at the page /privacy.")
    masked = truncate(_CARD)
    return ok(f"the newest audit of both stores as an outsider passed; a card number is shown as {masked} at most.")


def _changes(visit: Visit) -> Found:
    return asked(
        visit, "feed_postgres_dsn", "feed_postgres_metrics_port", "the feed from a database's change log", "veilocity feeds postgres"
    )


STOPS = (
    Stop(21, "Masking of cards and users", "No card number, user or device leaves the privacy stage.", _masked),
    Stop(22, "Tokenisation", "The same value is the same token under a key, another one in each store.", _tokens),
    Stop(23, "k-anonymity with chosen k", "Every released class has k people or more; the rest is held back.", _classes),
    Stop(24, "K against privacy", "A real curve of risk and loss for each k.", _curve),
    Stop(25, "MinHash LSH", "Payments that behave alike are found without comparing all.", _alike),
    Stop(26, "Graph of alike payments", "Groups as a graph that one can walk.", _graph),
    Stop(27, "MongoDB", "Masked documents, idempotent, indexed, with retention.", _mongodb),
    Stop(28, "Elasticsearch and Kibana", "Explicit mappings, and the ten panels as code.", _elasticsearch),
    Stop(29, "Flajolet-Martin, DGIM, moments, graph streams", "Each beside the exact answer.", _sketches),
    Stop(30, "l-diversity and differential privacy", "Diverse classes, and counts with noise and a budget.", _diverse),
    Stop(31, "Notifications and alerts", "An alert within seconds, and signed messages to whom a file names.", _told),
    Stop(32, "Customer segments", "Groups of recent behaviour, released only with k people.", _segments),
    Stop(33, "Continuous compliance monitoring", "The stores are audited on a schedule as whoever stole them would.", _audit),
    Stop(34, "Change data capture", "Payments from the change log of a PostgreSQL.", _changes),
)
