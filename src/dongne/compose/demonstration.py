"""The demonstration homes of a city: those of `homes.json` in its folder, taken in where they are not there, and let live."""

import logging
from collections.abc import Sequence
from pathlib import Path

import msgspec

from dongne.adapters.series.nist_fire import Word, find_fire_words
from dongne.compose.homes import HomeSide
from dongne.compose.outboxes import CityOutboxes
from dongne.compose.running import RunningCity
from dongne.lab.simulators.demonstration import Demonstration
from dongne.lab.simulators.home_life import Cue, Life, load_life
from dongne.model.errors import BadSetup, DongneError
from dongne.model.home import NewHome
from dongne.model.notices import REQUESTED, NoticeEvent
from dongne.model.records import Record, RecordKind
from dongne.runtime.ports import Store

log = logging.getLogger("dongne")
FILE = "homes.json"
BY = "demonstration"
SCREEN, RESIDENT = "screen", "resident"
_event = msgspec.msgpack.Decoder(NoticeEvent)


def start_demonstration(city: RunningCity, outboxes: CityOutboxes) -> Demonstration | None:
    """Simulated homes, living from here on; None where the city has none, or its messages would reach people. Raises BadSetup where
    a home of the file is not simulated."""
    homes = load_demonstration_homes(city.opened.city_folder)
    if not homes or city.homes is None or not city.config.channels.simulated:
        return None
    there = take_in(city.homes, homes)
    if not there:
        return None
    words = find_fire_words(city.options.data)
    made = Demonstration(
        there, with_fire(load_life(), words), city.config.zone_info, city.homes.store.clock.now_us, city.homes.gateways.take,
        lambda key, answer: _answer(outboxes, key, answer),
    )  # fmt: skip
    made.pages = outboxes.simulators
    made.fire_is_measured = bool(words)
    _let_be_asked(city.homes.store, made)
    made.start()
    return made


def with_fire(life: Life, words: Sequence[Word]) -> Life:
    """The same life, in which the fire that is played is one that was measured; as it was where there is none."""
    if not words:
        return life
    fire = tuple(Cue(word.after_s, word.property, which=word.which) for word in words)
    return msgspec.structs.replace(life, plays={**life.plays, "fire": fire})


def load_demonstration_homes(folder: Path) -> list[NewHome]:
    """The homes of a city's folder; none where it has no such file. Raises BadSetup naming what is wrong."""
    file = folder / FILE
    if not file.exists():
        return []
    try:
        homes = msgspec.json.decode(file.read_bytes(), type=list[NewHome])
    except msgspec.DecodeError as error:
        raise BadSetup(f"{file}: {error}") from None
    for home in homes:
        if not home.simulated:
            raise BadSetup(f"{file}: home {home.gateway} is not simulated; take real homes in by `dongne homes add`")
    return homes


def take_in(side: HomeSide, homes: Sequence[NewHome]) -> dict[int, NewHome]:
    """The homes by the ids of their Things; a gateway that a home has which is not simulated is left alone."""
    book = side.gateways.book
    missing = [home for home in homes if book.find_home(home.gateway) is None]
    side.add(missing, BY)
    found = {}
    for home in homes:
        thing_id = book.find_home(home.gateway)
        thing = side.store.graph.things.get(thing_id or 0)
        if thing is not None and thing.properties.get("simulated") is True:
            found[thing.id] = home
    return found


def _let_be_asked(store: Store, demonstration: Demonstration) -> None:
    """Tells the people of simulated homes what they are asked."""

    def hear(records: Sequence[Record]) -> None:
        for record in records:
            if record.kind is RecordKind.NOTICE:
                event = _event.decode(record.body)
                if event.action == REQUESTED and event.asks and event.to == RESIDENT:
                    demonstration.ask(event.key, event.thing)

    store.subscribe(hear)


def _answer(outboxes: CityOutboxes, key: str, answer: str) -> None:
    try:
        outboxes.answers.answer(key, answer, RESIDENT, SCREEN)
    except DongneError as error:
        log.info("a simulated answer came to nothing: %s", error.message)
