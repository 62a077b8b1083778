"""What a board says, in the words of one language."""

from dataclasses import dataclass

from dongne.methods.platform_board import CarBoard, ranges
from dongne.web.boarding.board import Board, Coming
from dongne.web.boarding.lines import Line, Platform
from dongne.web.readings import origin_of
from dongne.web.seen import SeenCity
from dongne.web.texts import Words

SOON_S = 45.0
MOST_RANGES = 3
_GAP = "\N{OBJECT REPLACEMENT CHARACTER}"
SHAPE_OF_CLASS = ("calm", "busy", "crowded", "alarm")  # circle, square, triangle, octagon, as on all pages


@dataclass(frozen=True)
class SaidBoard:
    """One board in one language."""

    board: Board
    words: Words

    @property
    def language(self) -> str:
        """For `lang`."""
        return self.words.language

    def name(self, what: str) -> str:
        """Its `station`, `headsign` or `line_name`."""
        return self.board.platform.name(what, self.language)

    @property
    def towards(self) -> str:
        """Where its trains go."""
        return self.words.say("boarding.towards", to=self.name("headsign"))

    def eta(self, coming: Coming) -> str:
        """About how long until the train stands here."""
        if coming.is_here:
            return self.words.say("boarding.eta.here")
        if coming.eta_s < SOON_S:
            return self.words.say("boarding.eta.soon")
        return self.words.count("boarding.eta.minutes", max(1, round(coming.eta_s / 60.0)))

    @property
    def next_eta(self) -> str:
        """That of the next train; empty where none is known."""
        return self.eta(self.board.coming[0]) if self.board.coming else ""

    def crowding(self, car: CarBoard) -> str:
        """The word of a car's class."""
        return self.words.say(f"boarding.class.{int(car.crowding)}")

    def is_sure(self, car: CarBoard) -> bool:
        """Whether the class may be said as it is: never of a train that is still some stops away."""
        return car.is_sure and self.board.phase != "away"

    def whole(self, car: CarBoard) -> str:
        """The class with how sure it is."""
        word = self.crowding(car)
        return word if self.is_sure(car) else self.words.say("boarding.likely", word=word)

    @property
    def advice(self) -> str:
        """Where to board, or why nothing is said of that."""
        board, words = self.board, self.words
        if board.line.ends_at(board.platform):
            return words.say("boarding.ends")
        if board.phase == "unknown":
            return words.say("boarding.unknown")
        where = self.where(board.advice)
        if not where:
            return words.say("boarding.alike_now" if board.phase == "away" else "boarding.alike")
        return words.say("boarding.advice_now" if board.phase == "away" else "boarding.advice", where=where)

    @staticmethod
    def where(positions: tuple[int, ...]) -> str:
        """Positions in few letters: "2–4, 9"; the longest stretches where there are many."""
        stretches = sorted(ranges(positions), key=lambda one: (one[0] - one[1], one[0]))[:MOST_RANGES]
        return ", ".join(f"{a}" if a == b else f"{a}–{b}" for a, b in sorted(stretches))

    @property
    def basis(self) -> str:
        """What the loads are of."""
        board, words = self.board, self.words
        if board.phase == "away" and board.coming and (stops := board.coming[0].stops_away):
            return words.count("boarding.basis.away", stops)
        if board.line.ends_at(board.platform):
            return words.say("boarding.basis.ends")
        if board.phase == "unknown" and board.coming and board.coming[0].turns:
            return words.say("boarding.basis.turns")
        return words.say("boarding.basis.leaving" if board.phase == "away" else f"boarding.basis.{board.phase}")

    @property
    def as_of(self) -> tuple[str, str, str]:
        """How old all of it is: the age in words, with what stands before and after it."""
        if not self.board.heard_us:
            return self.words.say("boarding.never"), "", ""
        before, _, after = self.words.say("boarding.as_of", age=_GAP).partition(_GAP)
        return before, self.words.age(self.board.heard_us, self.board.now_us), after

    def stretches(self) -> list[tuple[str, str, str]]:
        """Positions that say the same, as (where, what, name of the class): "1–3", "relaxed", "c0"; what is said where no car stops is "none"."""
        found: list[tuple[list[int], str, str]] = []
        for position, car in enumerate(self.board.cars, 1):
            said = (
                (self.words.say("boarding.no_car"), "none")
                if car is None
                else (self.whole(car), f"c{int(car.crowding)}")
            )
            if found and (found[-1][1], found[-1][2]) == said:
                found[-1][0].append(position)
            else:
                found.append(([position], *said))
        return [(self.where(tuple(positions)), what, name) for positions, what, name in found]


def origin_of_line(seen: SeenCity, line: Line) -> str:
    """Where the loads come from: measured, replayed (loads measured elsewhere, in a simulated line) or simulated."""
    for train in line.trains:
        for stream in seen.graph.list_datastreams(train.thing.id):
            if seen.graph.property_key(stream) == "car_mass":
                if origin_of(stream).kind != "simulated":
                    return "measured"
                parameters = stream.properties.get("parameters")
                loads = parameters.get("loads") if isinstance(parameters, dict) else None
                return "simulated" if loads in (None, "", "invented") else "replayed"
    return "simulated" if any(train.thing.properties.get("simulated") for train in line.trains) else "measured"


def order_of(platform: Platform, *, is_reversed: bool) -> list[int]:
    """The positions from left to right, as somebody who faces the display sees them."""
    found = list(range(1, platform.positions + 1))
    return found[::-1] if is_reversed else found
