"""Single records masked: what leaves this function holds no identifier, exact place, exact time or exact amount.

Identifiers become tokens; places the centre of an H3 cell; times the minute they lie in; amounts and distances two significant digits,
rounded so that every statement stays true; and an alert's sentence is told again from the rounded figures. A masked record is a pseudonym
of one person's doing, not an anonymous one: only releases are (docs/privacy.md).
"""

from __future__ import annotations

from dataclasses import dataclass

import h3

from privacy.amounts import band, rounded_amount
from privacy.rounding import hundredths_up, minute_ms, round_down, round_up, whole_minutes_up_s, widened
from privacy.tokens import Tokeniser, TokenKind
from storage.documents import MaskedAlert, MaskedAmendment, MaskedEpisode, MaskedObservation, MaskedTransaction, Place, Position
from veilocity.contracts import Alert, Decision, Fix, Observation
from veilocity.errors import ContractError, RejectReason
from veilocity.eventtime import ms_from_ns
from veilocity.evidence import tell, tell_duration
from veilocity.geo import Interval, valid_coordinates

__all__ = ["Masker"]


@dataclass(frozen=True, slots=True)
class Masker:
    """Masks records of one micro-batch.

    Args:
        tokeniser: makes the tokens.
        cell_resolution: H3 resolution of masked places.
        seq: number of the micro-batch, written into every document.
    """

    tokeniser: Tokeniser
    cell_resolution: int
    seq: int

    def transaction(self, decision: Decision) -> MaskedTransaction:
        """Return the masked payment; whether its place was seen before is filled in by the driver, which holds the filter.

        Raises:
            ContractError: coordinates out of range.
        """
        payment = decision.transaction
        token = self.tokeniser.token
        return MaskedTransaction(
            id=token(TokenKind.TRANSACTION, payment.id),
            seq=self.seq,
            revision=decision.revision,
            subject=token(TokenKind.SUBJECT, payment.subject),
            card=token(TokenKind.CARD, payment.card) if payment.card else None,
            device=token(TokenKind.DEVICE, payment.device) if payment.device else None,
            user=token(TokenKind.USER, payment.user) if payment.user else None,
            device_type=payment.device_type,
            minute_ms=minute_ms(payment.authorised_ms),
            amount=rounded_amount(payment.amount_minor, payment.currency),
            currency=payment.currency,
            amount_band=band(payment.amount_minor, payment.currency),
            merchant=payment.merchant,
            category=payment.category,
            channel=payment.channel,
            country=payment.country,
            place=self._place(payment.lat, payment.lon) if payment.lat is not None and payment.lon is not None else None,
            verdict=decision.verdict,
            score=round(decision.score, 2),
            reasons=decision.reasons,
            alert=self._alert_token(decision),
            severity=decision.severity,
            place_seen_before=None,
        )

    def amendment(self, decision: Decision) -> MaskedAmendment:
        """Return what a later revision of a decision changes of its stored payment."""
        payment = decision.transaction
        return MaskedAmendment(
            id=self.tokeniser.token(TokenKind.TRANSACTION, payment.id),
            seq=self.seq,
            revision=decision.revision,
            minute_ms=minute_ms(payment.authorised_ms),
            verdict=decision.verdict,
            score=round(decision.score, 2),
            reasons=decision.reasons,
            alert=self._alert_token(decision),
            severity=decision.severity,
        )

    def position(self, fix: Fix) -> Position:
        """Return the masked place of a phone.

        Raises:
            ContractError: coordinates out of range.
        """
        return Position(
            id=self.tokeniser.token(TokenKind.SUBJECT, fix.subject),
            seq=self.seq,
            minute_ms=minute_ms(ms_from_ns(fix.fix_ns)),
            place=self._place(fix.lat, fix.lon),
        )

    def alert(self, alert: Alert) -> MaskedAlert:
        """Return the masked alert: bounds moved outwards, times to whole minutes, so that its sentence claims less, never more.

        Raises:
            ContractError: coordinates out of range.
        """
        distance_m = widened(alert.distance_m) if alert.distance_m is not None else None
        elapsed_s = whole_minutes_up_s(alert.elapsed_s)
        limit_kmh = _number(alert.parameters.get("speed_limit_kmh"))
        speed_kmh = _masked_speed(alert.speed_kmh, limit_kmh)
        fine_s = whole_minutes_up_s(alert.fine_with_s) if alert.fine_with_s is not None else None
        return MaskedAlert(
            id=self.tokeniser.token(TokenKind.ALERT, alert.id),
            seq=self.seq,
            revision=alert.revision,
            rule=alert.rule,
            rule_version=alert.rule_version,
            cause=alert.cause,
            severity=alert.severity,
            state=alert.state,
            subject=self.tokeniser.token(TokenKind.SUBJECT, alert.subject),
            score=round(alert.score, 2),
            probability=hundredths_up(alert.probability) if alert.probability is not None else None,
            first=self._observation(alert.first),
            second=self._observation(alert.second),
            distance_m=distance_m,
            elapsed_s=elapsed_s,
            speed_kmh=speed_kmh,
            speed_limit_kmh=limit_kmh,
            minimum_distance_m=_number(alert.parameters.get("minimum_distance_m")),
            fine_with_s=fine_s,
            sentence=_sentence(alert, distance_m, elapsed_s, speed_kmh, limit_kmh, fine_s),
            checks=alert.checks,
            episode=MaskedEpisode(minute_ms(alert.episode.first_ms), minute_ms(alert.episode.last_ms), alert.episode.count),
        )

    def _alert_token(self, decision: Decision) -> str | None:
        return self.tokeniser.token(TokenKind.ALERT, decision.alert_id) if decision.alert_id else None

    def _observation(self, observation: Observation) -> MaskedObservation:
        return MaskedObservation(
            kind=observation.kind,
            minute_ms=minute_ms(ms_from_ns(observation.event_ns)),
            place=self._place(observation.lat, observation.lon) if observation.lat is not None and observation.lon is not None else None,
            accuracy_m=round_up(observation.accuracy_m),
        )

    def _place(self, lat: float, lon: float) -> Place:
        if not valid_coordinates(lat, lon):
            raise ContractError(RejectReason.INVALID_COORDINATES, "coordinates are out of range: check which program writes this topic")
        cell = h3.latlng_to_cell(lat, lon, self.cell_resolution)
        centre_lat, centre_lon = h3.cell_to_latlng(cell)
        # Five digits are a metre: the centre stands for the cell, more digits would only look like an exact place.
        return Place(cell, round(centre_lat, 5), round(centre_lon, 5))


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) else None


def _sentence(
    alert: Alert, distance_m: Interval | None, elapsed_s: float, speed_kmh: Interval | None, limit_kmh: float | None, fine_s: float | None
) -> str:
    """Tell a masked alert: what is not about travel is told without its figures, which may be exact amounts."""
    if distance_m is not None and limit_kmh is not None and fine_s is not None:
        return tell(distance_m, elapsed_s, speed_kmh, limit_kmh, fine_s)
    if distance_m is not None and distance_m.low > 0.0:
        return f"At least {distance_m.low / 1000:,.0f} km apart within {tell_duration(elapsed_s)}: {alert.cause.replace('_', ' ')}."
    return f"{alert.rule.replace('-', ' ').capitalize()}: {alert.cause.replace('_', ' ')}."


def _masked_speed(speed_kmh: Interval | None, limit_kmh: float | None) -> Interval | None:
    """Widen the interval, but keep a lower bound above the limit at or above it: that it is above is what the alert says."""
    if speed_kmh is None:
        return None
    wide = widened(speed_kmh)
    low = max(wide.low, limit_kmh) if limit_kmh is not None and speed_kmh.low >= limit_kmh else round_down(speed_kmh.low)
    return Interval(low, max(wide.likely, low), wide.high)
