"""From findings to alerts: many hits of one cause are one episode that grows; its alert is opened, amended and retracted as it changes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from hashlib import blake2b, sha256

import msgspec

from rules.hits import Evidence, Hit, Proof, severity_rank
from rules.rule import Rule
from rules.sight import Sight, observation
from rules.told import EpisodeState, Told
from rules.travel import trip
from veilocity.contracts import Alert, AlertState, Check, Episode, Observation, ObservationKind, SubjectId
from veilocity.geo import great_circle_m

__all__ = ["alert_id", "merge", "recompute", "revisions"]

MAX_EVENTS = 16
_NEAR_M = 50_000.0
_KINDS = {kind: number for number, kind in enumerate(ObservationKind)}


def alert_id(rule: str, subject: str, anchor: str) -> str:
    """Return the identity of an alert: the same episode has the same one in every run.

    >>> alert_id("impossible-travel", "anna", "t1")
    '43db0c0478b46ad79d42a59a7addebaf'
    """
    return sha256(f"{rule}|{subject}|{anchor}".encode("utf-8", "surrogatepass")).hexdigest()[:32]


def merge(episodes: Iterable[EpisodeState], hits: Iterable[Hit], gap_ns: int) -> tuple[list[EpisodeState], list[int]]:
    """Return the episodes with further hits in them, and for each hit the index of its episode.

    Args:
        episodes: as they are.
        hits: each rule's and group's in order of time.
        gap_ns: a hit this long after the last one begins an episode of its own, and so does one at another place.
    """
    merged = list(episodes)
    homes = []
    for hit in hits:
        index = next((i for i in range(len(merged) - 1, -1, -1) if _belongs(merged[i], hit, gap_ns)), None)
        homes.append(len(merged) if index is None else index)
        if index is None:
            merged.append(EpisodeState(hit.rule, hit.group, hit.anchor, hit.anchor_ns, hit.anchor_ns, 1, (hit.anchor,), hit, hit.place))
        else:
            merged[index] = _grown(merged[index], hit)
    return merged, homes


def _belongs(episode: EpisodeState, hit: Hit, gap_ns: int) -> bool:
    if episode.rule != hit.rule or episode.group != hit.group or not 0 <= hit.anchor_ns - episode.last_ns <= gap_ns:
        return False
    if episode.place is None or hit.place is None:
        return episode.place is hit.place
    (lat_1, lon_1), (lat_2, lon_2) = episode.place, hit.place
    return great_circle_m(lat_1 / 1e7, lon_1 / 1e7, lat_2 / 1e7, lon_2 / 1e7) <= _NEAR_M


def _grown(episode: EpisodeState, hit: Hit) -> EpisodeState:
    known = episode.strongest
    stronger = (severity_rank(hit.severity), hit.score) > (severity_rank(known.severity), known.score)
    return msgspec.structs.replace(
        episode,
        last_ns=hit.anchor_ns,
        count=episode.count + 1,
        events=(*episode.events, hit.anchor)[-MAX_EVENTS:],
        strongest=hit if stronger else known,
    )


def revisions(
    told: dict[str, Told],
    standing: Mapping[str, EpisodeState],
    subject: SubjectId,
    received_ms: int,
    rules: Mapping[str, Rule],  # type: ignore[type-arg]  # rules of any parameters
) -> Iterator[Alert]:
    """Compare what stands with what was told, bring `told` up to date, and yield the alerts that must be told.

    Args:
        told: newest revisions by alert id.
        standing: episodes by alert id.
        subject: whose alerts.
        received_ms: of the event that caused the comparison.
        rules: by id.
    """
    for name, episode in standing.items():
        known = told.get(name)
        content = blake2b(msgspec.msgpack.encode(episode), digest_size=8).digest()
        if known is not None and known.content == content and not known.retracted:
            continue
        state = AlertState.OPEN if known is None or known.retracted else AlertState.AMENDED
        revision = 1 if known is None else known.revision + 1
        told[name] = Told(revision, content, False, episode.last_ns, episode)
        yield _alert(name, episode, state, revision, subject, received_ms, rules[episode.rule])
    for name, known in sorted(told.items()):
        if name not in standing and not known.retracted:
            told[name] = msgspec.structs.replace(known, revision=known.revision + 1, retracted=True)
            rule = rules[known.episode.rule]
            yield _alert(name, known.episode, AlertState.RETRACTED, known.revision + 1, subject, received_ms, rule)


def _alert(
    name: str,
    episode: EpisodeState,
    state: AlertState,
    revision: int,
    subject: SubjectId,
    received_ms: int,
    rule: Rule,  # type: ignore[type-arg]  # a rule of any parameters
) -> Alert:
    hit = episode.strongest
    evidence = hit.evidence
    proof = rule.prove(evidence)
    checks = (*proof.checks, Check("later_event", applied=True)) if state is AlertState.RETRACTED else proof.checks
    has_places = evidence.first.has_place and evidence.second.has_place
    journey = trip(evidence.first, evidence.second, _slack_of(rule))
    return Alert(
        id=name,
        rule=rule.id,
        rule_version=rule.version,
        severity=hit.severity,
        state=state,
        revision=revision,
        subject=subject,
        anchor=episode.anchor,
        cause=proof.cause,
        score=proof.score,
        first=observation(evidence.first),
        second=observation(evidence.second),
        distance_m=journey.distance_m if has_places else None,
        elapsed_s=journey.elapsed_s,
        speed_kmh=journey.speed_kmh if has_places else None,
        probability=proof.probability,
        parameters=msgspec.to_builtins(rule.parameters),
        facts=evidence.facts,
        fine_with_s=proof.fine_with_s,
        sentence=proof.sentence,
        checks=checks,
        episode=Episode(episode.first_ns // 1_000_000, episode.last_ns // 1_000_000, episode.count, episode.events),
        received_ms=received_ms,
        items=evidence.items,
    )


def _slack_of(rule: Rule) -> float:  # type: ignore[type-arg]  # a rule of any parameters
    return float(getattr(rule.parameters, "time_slack_s", 0.0))


def recompute(alert: Alert, rule_types: Mapping[str, type[Rule]]) -> Alert:  # type: ignore[type-arg]  # rules of any parameters
    """Return the alert with id, figures, grade and sentence worked out again from what it holds alone.

    Guarantee: equal to the alert itself, for every alert that the engine makes, where no rule book caps the rule's severity.
    """
    rule_type = rule_types[alert.rule]
    rule = rule_type(msgspec.convert(alert.parameters, rule_type.parameter_type))
    evidence = Evidence(_sight(alert.first), _sight(alert.second), alert.facts, alert.items)
    proof: Proof = rule.prove(evidence)
    journey = trip(evidence.first, evidence.second, _slack_of(rule))
    has_places = evidence.first.has_place and evidence.second.has_place
    withdrawn = (Check("later_event", applied=True),) if alert.state is AlertState.RETRACTED else ()
    return msgspec.structs.replace(
        alert,
        id=alert_id(alert.rule, alert.subject, alert.anchor),
        severity=proof.severity or alert.severity,
        cause=proof.cause,
        score=proof.score,
        distance_m=journey.distance_m if has_places else None,
        elapsed_s=journey.elapsed_s,
        speed_kmh=journey.speed_kmh if has_places else None,
        probability=proof.probability,
        fine_with_s=proof.fine_with_s,
        sentence=proof.sentence,
        checks=(*proof.checks, *withdrawn),
    )


def _sight(seen: Observation) -> Sight:
    kind = _KINDS[seen.kind]
    source = seen.id.rpartition("@")[0] if kind == 0 else seen.id
    if seen.lat is None or seen.lon is None:
        return Sight(seen.event_ns, 0, 0, -1, kind=kind, source=source)
    return Sight(seen.event_ns, round(seen.lat * 1e7), round(seen.lon * 1e7), round(seen.accuracy_m * 10.0), kind=kind, source=source)
