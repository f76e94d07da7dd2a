"""From a plan to a week: people live, phones and cards report, confusers are planted, then one fraud for every ten of them."""

from __future__ import annotations

import msgspec

from ingest.simulator.chance import Dice, digest, generator
from ingest.simulator.merchants import Market
from ingest.simulator.people import Person, Population
from ingest.simulator.weeks.arrival import in_order_of_arrival
from ingest.simulator.weeks.confusers import LASTING, PASSING
from ingest.simulator.weeks.confusers.head_office import LASTING as CHAIN
from ingest.simulator.weeks.confusers.second_device import CARRIED, TABLET
from ingest.simulator.weeks.confusers.shared_card import NAME as SHARED
from ingest.simulator.weeks.frauds import CRIMES
from ingest.simulator.weeks.journeys import Habit, course_of
from ingest.simulator.weeks.labels import Fraud, Labels, Week, fix_id
from ingest.simulator.weeks.phone import Post, record
from ingest.simulator.weeks.plan import WeekPlan
from ingest.simulator.weeks.proof import Sighting, is_provable, sighting
from ingest.simulator.weeks.story import Story
from veilocity.contracts import Fix, Transaction

__all__ = ["labelled_week"]

_DAY_S = 86_400.0
_TRIES = 40
_ROLES: tuple[tuple[Habit, tuple[str, ...]], ...] = (
    (Habit.SHORT_HAUL, ()),
    (Habit.TRAIN, ()),
    (Habit.LONG_HAUL, ()),
    (Habit.HOME, (CHAIN,)),
    (Habit.SHORT_HAUL, (TABLET,)),
    (Habit.HOLIDAY, ()),
    (Habit.HOME, (SHARED,)),
    (Habit.TRAIN, (TABLET, CHAIN)),
    (Habit.HOLIDAY_SILENT, ()),
    (Habit.SHORT_HAUL, (CARRIED,)),
)
"""What people are like, ten in turn: nobody is without confusers, and every kind has its share."""


def labelled_week(plan: WeekPlan) -> Week:
    """Return the events of all people in order of arrival, and the truth about them.

    Guarantee: a pure function of the plan. Honest observations that are not labelled as misplaced obey physics: no two neighbours of a
    subject in event time are farther apart than 1,100 km/h allows, errors of up to 2.5 times the stated accuracy aside.
    """
    market = Market(plan.seed)
    population = Population(plan.city, market)
    stories = [_story(plan, population[number], number, market) for number in range(plan.people)]
    _commit_frauds(plan, stories)
    frauds = tuple(_proved(story, fraud) for story in stories for fraud in story.frauds)
    labels = Labels(
        frauds=tuple(sorted(frauds, key=lambda fraud: (fraud.from_ms, fraud.subject))),
        episodes=tuple(
            sorted((one for story in stories for one in story.episodes), key=lambda one: (one.from_ms, one.subject, one.confuser))
        ),
        misplaced=frozenset().union(*(story.misplaced for story in stories)),
        judged_from_ms={story.subject: int(story.course.cold_until_s * 1000.0) for story in stories},
    )
    events = [event for story in stories for event in story.events]
    return Week(in_order_of_arrival(events, plan), labels)


def _story(plan: WeekPlan, person: Person, number: int, market: Market) -> Story:
    habit, lasting = _ROLES[number % len(_ROLES)]
    course = course_of(plan, person, habit, market)
    story = Story(plan, market, course, habit)
    dice = Dice(generator(plan.seed, "story", number))
    post = Post(course.from_s, course.until_s, person.push_period_ms / 1000.0, dice)
    story.fixes = record(plan, person, course.pieces, story.phone, post)
    for purchase, city in course.purchases:
        story.pay(purchase.at_s, purchase.merchant, city, dice)
    _label_journeys(story)
    for name in lasting:
        LASTING[name].settle(story, dice)
    _plant(story, dice)
    return story


def _label_journeys(story: Story) -> None:
    for leg in story.legs:
        story.label(leg.confuser, leg.from_s, leg.until_s)
    if story.habit not in (Habit.HOLIDAY, Habit.HOLIDAY_SILENT):
        return
    for from_s, until_s, _ in story.course.away:
        if story.habit is Habit.HOLIDAY_SILENT:
            story.rewrite(story.between(from_s - 3600.0, until_s), [])
        day_s = from_s
        while day_s < until_s:
            story.label(story.habit.value, day_s, min(until_s, day_s + _DAY_S))
            day_s += _DAY_S


def _plant(story: Story, dice: Dice) -> None:
    weights = [confuser.weight for confuser in PASSING]
    begin, end = story.judged
    for _ in range(round(story.plan.confusers_per_person_day * (end - begin) / _DAY_S)):
        confuser = dice.weighted(PASSING, weights)
        for _ in range(_TRIES):
            if confuser.plant(story, dice):
                break


def _commit_frauds(plan: WeekPlan, stories: list[Story]) -> None:
    wanted = round(sum(len(story.episodes) for story in stories) / plan.episodes_per_fraud)
    dice = Dice(generator(plan.seed, "frauds"))
    round_of_crimes = [crime for crime in CRIMES for _ in range(crime.share)]
    # Each victim in turn, in an order of their own: no role is hit more often, and none always in the same way.
    victims = sorted(range(len(stories)), key=lambda number: digest(plan.seed, "victim", number))
    for number in range(wanted):
        crime = round_of_crimes[number % len(round_of_crimes)]
        for attempt in range(_TRIES * 5):
            victim = stories[victims[(number + attempt // 5) % len(victims)]]
            if crime.commit(victim, dice):
                break


def _proved(story: Story, fraud: Fraud) -> Fraud:
    stolen = {name for one in story.frauds for name in one.transactions}
    intruders = {one.device for one in story.frauds if one.device}
    honest = [
        sighting(event)
        for event in story.events
        if _name(event) not in story.misplaced and _name(event) not in stolen and not (isinstance(event, Fix) and event.device in intruders)
    ]
    seen: list[Sighting | None] = [sighting(one) for one in story.payments if one.id in fraud.transactions]
    seen += [sighting(fix) for fix in story.others if fix.device == fraud.device]
    ordered = sorted(one for one in honest if one is not None)
    return msgspec.structs.replace(fraud, provable=is_provable([one for one in seen if one is not None], ordered))


def _name(event: Fix | Transaction) -> str:
    return fix_id(event) if isinstance(event, Fix) else event.id
