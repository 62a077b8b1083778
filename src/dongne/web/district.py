"""The district now, in words first: a headline, a card for each group of things, and what is open."""

from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from dongne.model.cases import Case
from dongne.runtime.ports import CaseFilter
from dongne.web.assess import Assessment, Group, Remembered, assess_city
from dongne.web.charts import draw_spark
from dongne.web.frame import Page
from dongne.web.names import plain
from dongne.web.readings import newest, say_origin
from dongne.web.series import get_line
from dongne.web.shapes import ICONS

SPARK_H = 24
SPARK_FRESH_S = 20.0
MANY = 0.3  # from this share of things on, a state is that of the district
MOST_CASES = 1_000  # that are counted
FEW_CASES = 5
AREA_ICONS = {
    "lighting": "lighting",
    "waste": "waste",
    "mobility": "people",
    "public space": "people",
    "parking_occupancy": "parking",
}
SERIOUS = frozenset({"severe", "extreme"})
_sparks = Remembered(SPARK_FRESH_S)


@dataclass(frozen=True)
class Card:
    """One group of things, as the front page shows it. `value` and `time_us` are its leader's."""

    id: str
    title: str
    icon: str
    state: str
    state_word: str
    place: str
    sentence: str
    thing: int
    stream: int
    value: str
    time_us: int
    origin: str
    tally: list[tuple[str, str, int]]
    total: int
    link: str
    spark: Markup


@dataclass(frozen=True)
class District:
    """The front page."""

    headline: str
    notes: list[str]
    cards: list[Card]
    others: list[Card]
    cases: list[Case]
    open_cases: int


def look_at_district(page: Page, remembered: Remembered) -> District:
    """What the front page shows now."""
    groups = find_groups(page, remembered)
    open_now = CaseFilter(is_open=True, limit=MOST_CASES)
    cases = page.seen.list_cases(open_now)
    cards = [_card(page, group) for group in groups if group.things]
    return District(
        headline=page.words.say(f"district.{find_mood(groups, cases)}", city=page.city_name),
        notes=_notes(page, groups, cases),
        cards=[card for card, group in zip(cards, _filled(groups), strict=True) if group.service],
        others=[card for card, group in zip(cards, _filled(groups), strict=True) if not group.service],
        cases=cases[:FEW_CASES],
        open_cases=len(cases) + sum(len(at.seen.list_cases(open_now)) for at in page.books[1:]),  # as /cases lists
    )


def find_groups(page: Page, remembered: Remembered) -> list[Group]:
    """How everything is doing, as far as who asks may see it."""
    key = "groups", page.who.sight, page.seen.revision
    groups: list[Group] = remembered.get(key, lambda: assess_city(page.seen, page.context.runtime, page.now_us))
    return groups


def _filled(groups: list[Group]) -> list[Group]:
    return [group for group in groups if group.things]


def find_mood(groups: list[Group], cases: list[Case]) -> str:
    """The district in one word: empty, alarm, old, crowded, busy or calm."""
    served = [g for g in groups if g.service and g.things]
    if not any(one.main.is_there for group in groups for one in group.things):
        return "empty"
    if any(c.kind == "alert" and c.severity in SERIOUS for c in cases) or any(g.state == "alarm" for g in served):
        return "alarm"
    shares = [dict(g.tally) for g in served]
    for state in ("crowded", "busy"):
        if any(counts.get(state, 0) / sum(counts.values()) >= MANY for counts in shares if g_counts(counts)):
            return state
    if served and all(g.state == "stale" for g in served):
        return "old"
    return "calm"


def g_counts(counts: dict[str, int]) -> bool:
    """Whether anything that is not old was counted."""
    return any(n for state, n in counts.items() if state != "stale")


def _notes(page: Page, groups: list[Group], cases: list[Case]) -> list[str]:
    """What the line below the headline says after day and time."""
    words = page.words
    notes = []
    for group in groups:
        counts = dict(group.tally)
        for state in ("alarm", "crowded"):
            if group.service and counts.get(state):
                key = f"{group.service}.note.{state}"
                text = (
                    words.count(key, counts[state])
                    if key in words
                    else words.count(f"note.{state}", counts[state], what=page.names.service(group.service))
                )
                notes.append(text)
    if cases:
        notes.append(words.count("note.cases", len(cases)))
    return notes


def sentence_of(page: Page, one: Assessment) -> str:
    """What a service says of a Thing; for old and unsaid values, the value itself."""
    main = one.main
    given = {
        "value": page.names.value(main.value, main.unit) if main.is_there else "",
        "property": page.names.property(main.key),
    }
    if not main.is_there:
        return page.words.say("say.nothing", **given)
    if one.state == "stale":
        return page.words.say("say.stale", age=page.words.age(main.time_us, page.now_us), **given)
    name = page.thing_name(one.thing)
    found = page.words.find([one.key], **{"thing": name, "name": name, **one.params}) if one.key else None
    return found or page.words.say("say.value", **given)


def state_word(page: Page, service: str, state: str) -> str:
    """The word of a state: the service's own where it has one."""
    return page.words.find([f"{service}.state.{state}", f"state.{state}"]) or plain(state)


def _card(page: Page, group: Group) -> Card:
    leader = group.leader
    assert leader is not None
    main, words = leader.main, page.words
    total = len(group.things)
    area = f"area.{group.area.replace(' ', '_')}"
    title = (
        words.find([area]) or page.names.service(group.service) if group.service else page.names.property(group.area)
    )
    if group.service:
        sentence = sentence_of(page, leader)
        place = page.thing_name(leader.thing)
        place = "" if place in sentence else place
        whole = f"{group.service}.card.{group.state}"
        if total > 1 and whole in words:
            sentence, place = (
                words.count(whole, total, **{**leader.params, "count": dict(group.tally)[group.state]}),
                "",
            )
    else:
        sentence, place = _say_property(page, group), page.thing_name(leader.thing) if total == 1 else ""
    query = f"service={group.service}" if group.service else f"property={group.area}"
    fresh = newest(leader.readings) or main
    return Card(
        id=group.id.replace(":", "-"),
        title=title,
        icon=_icon(group.area),
        state=group.state,
        state_word=state_word(page, group.service, group.state)
        if group.service or group.state == "stale"
        else words.say("state.live"),
        place=place,
        sentence=sentence,
        thing=leader.thing,
        stream=main.stream.id,
        value=page.names.value(main.value, main.unit) if main.is_there else "",
        time_us=fresh.time_us,
        origin=say_origin(main.origin, words, page.names.service(main.origin.service)),
        tally=[(state, state_word(page, group.service, state), n) for state, n in group.tally],
        total=total,
        link=f"/things?{query}",
        spark=_spark(page, leader, title),
    )


def _icon(area: str) -> str:
    return AREA_ICONS.get(area, area if area in ICONS else "value")


def _say_property(page: Page, group: Group) -> str:
    there = [a.main for a in group.things if a.main.is_there]
    if not there:
        return page.words.say("say.nothing", property=page.names.property(group.area), value="")
    mean = page.names.value(sum(r.value for r in there) / len(there), there[0].unit)
    key = f"card.property.{group.area}"
    given: dict[str, Any] = {"value": mean, "property": page.names.property(group.area)}
    return page.words.count(key if key in page.words else "card.property", len(there), **given)


def _spark(page: Page, one: Assessment, title: str) -> Markup:
    reading = next((r for r in one.readings if r.is_there), None)
    if reading is None:
        return Markup("")
    label = page.words.say("spark.label", property=page.names.property(reading.key), thing=page.thing_name(one.thing))

    def draw() -> Markup:
        return draw_spark(get_line(page.seen, reading.stream, page.now_us, SPARK_H, 240), label)

    found: Markup = _sparks.get((id(page.context.store), reading.stream.id, page.language), draw)
    return found
