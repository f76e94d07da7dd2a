"""Rows 11 to 20: the bank's transactions, and what becomes of them."""

from __future__ import annotations

import time
import uuid

from sketches import BottomKSample
from veilocity import settings as kernel_settings
from veilocity.cli.tour.extras import reported
from veilocity.cli.tour.stops import Found, Stop, failed, ok
from veilocity.cli.tour.visit import Visit
from veilocity.contracts import Verdict
from veilocity.kafka import client_config

__all__ = ["STOPS"]


def _persona(visit: Visit) -> Found:
    story = visit.story
    if story.fraud not in story.answers:
        return failed("the payments of the persona were accepted and not decided within a minute.")
    return ok(f"{story.accepted} messages of a persona and a crowd were accepted in the bank's own form; one payment is a labelled fraud.")


def _push(visit: Visit) -> Found:
    reading = {"name": "location", "time": time.time_ns(), "values": {"latitude": 52.516312, "longitude": 13.377712, "speed": -1}}
    other = {"name": "accelerometer", "time": time.time_ns(), "values": {"x": 0.1}}
    device = f"tour-{uuid.uuid4().hex[:8]}"
    answer = visit.send("/v1/sensor-logger", {"messageId": 1, "sessionId": "t", "deviceId": device, "payload": [reading, other]})
    tail = visit.tail
    if answer["accepted"] != 1 or answer["ignored"] != 1:
        return failed("the gateway did not take one place and leave one other sensor.")
    if not tail.until(lambda: device in tail.devices, 10.0):
        return failed("the place was accepted and is not in Kafka.")
    return ok("a push of Sensor Logger is in Kafka: one place taken, one reading of another sensor ignored, nothing lost.")


def _security(visit: Visit) -> Found:
    secure = kernel_settings.load({}, kafka_security_protocol="SASL_SSL", kafka_username="u", kafka_ca_file="ca.pem")
    config = client_config(secure)
    if not {"sasl.mechanism", "sasl.username", "ssl.ca.location"} <= set(config):
        return failed("the settings of SASL_SSL do not reach the client.")
    spoken = visit.settings.kafka_security_protocol
    return ok(f"this system speaks {spoken}; VEILOCITY_KAFKA_SECURITY_PROTOCOL=SASL_SSL adds mechanism, user and authority.")


def _geo_velocity(visit: Visit) -> Found:
    story = visit.story
    answer = story.answers.get(story.fraud)
    if answer is None or answer.verdict is not Verdict.FLAGGED:
        return failed("the labelled fraud was not flagged.")
    tail = visit.tail
    tail.until(lambda: answer.alert_id in tail.alerts, 20.0)
    alert = tail.alerts.get(answer.alert_id or "")
    told = f" {alert.sentence}" if alert is not None else ""
    return ok(f"flagged after {story.answered_s:.1f} s as {', '.join(answer.reasons)}.{told}")


def _once(visit: Visit) -> Found:
    story, tail = visit.story, visit.tail
    answer = story.answers.get(story.fraud)
    if answer is None or answer.alert_id is None:
        return failed("the labelled fraud has no alert.")
    tail.until(lambda: answer.alert_id in tail.alerts, 20.0)
    records = [record for record in tail.alert_records if record[0] == answer.alert_id]
    if not records or len(records) != len(set(records)):
        return failed(f"{len(records)} records of its alert on the topic, {len(set(records))} different ones.")
    return ok(f"its alert is on the topic alerts, keyed by person, {len(records)} revision(s), none twice.")


def _unknown(visit: Visit) -> Found:
    story = visit.story
    crowd = [story.answers[name] for name in story.crowd if name in story.answers]
    waiting = [answer for answer in crowd if answer.verdict is Verdict.NOT_SCORABLE]
    if len(crowd) < len(story.crowd) or not waiting:
        return failed(f"{len(crowd)} of {len(story.crowd)} payments of unknown phones decided, {len(waiting)} as not scorable.")
    return ok(
        f"{len(waiting)} payments of phones that nobody heard of are decided as not scorable ({waiting[0].reasons[0]}), none dropped."
    )


def _high_value(visit: Visit) -> Found:
    return reported(visit, "high_value", "{count} people with a high flagged payment in the newest of {windows} windows.")


def _live(visit: Visit) -> Found:
    return ok(f"look at {visit.page('/phone')}: the path, speed and height of one paired phone; {visit.page('/')} has everybody.")


def _spark(visit: Visit) -> Found:
    progress = visit.documents("progress", limit=1)
    if not progress:
        return failed("the privacy stage has finished no micro-batch yet: ask again in a minute.")
    return ok(
        f"Spark has finished {progress[0]['seq']:,} micro-batches with {progress[0]['transactions']:,} payments, from its checkpoint."
    )


def _mergeable(_visit: Visit) -> Found:
    items = [f"payment-{number}" for number in range(20_000)]
    whole = BottomKSample(100, seed=b"tour")
    whole.update_batch(items)
    parts = []
    for first in range(7):
        part = BottomKSample(100, seed=b"tour")
        part.update_batch(items[first::7])
        parts.append(part)
    merged = parts[0]
    for part in parts[1:]:
        merged.merge(part)
    if sorted(map(str, merged.estimate())) != sorted(map(str, whole.estimate())):
        return failed("the sample of seven parts differs from that of the whole.")
    return ok("a sample of 100 merged from seven parts of 20,000 payments is the sample of the whole.")


STOPS = (
    Stop(11, "Transaction generator", "A persona with a phone of its own pays among a crowd, labelled and from a seed.", _persona),
    Stop(12, "Sensor Logger HTTP push to Kafka", "What the app sends, as it sends it.", _push),
    Stop(13, "Kafka with SASL and TLS", "Plain on this machine, SASL and TLS by settings.", _security),
    Stop(14, "Geo-velocity rule", "A payment that nobody could have travelled to is flagged with its evidence.", _geo_velocity),
    Stop(15, "Flagged payments on a topic", "Each alert once per revision, in the transaction that read the payment.", _once),
    Stop(16, "Unknown devices", "A payment without a phone to compare is counted and told.", _unknown),
    Stop(17, "People with high-value potential frauds", "Distinct people, counted exactly in a window.", _high_value),
    Stop(18, "Live location page", "The path of one phone with speed and height, and the map of everybody.", _live),
    Stop(19, "PySpark from Kafka with checkpoint", "The privacy stage reads committed records and starts where it ended.", _spark),
    Stop(20, "Reservoir sampling in Spark", "The same sample on any partitioning.", _mergeable),
)
