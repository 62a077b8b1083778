"""A few letters of a name or an address: which places are called so."""

from dongne.methods.place_search import Place, PlaceSearch
from dongne.model.graph import ThingGraph
from dongne.runtime.answer import Answer, Change, Layers, Sentence
from dongne.services.find_place.find import Find, Match, Matches


class FindPlace(Answer[PlaceSearch, Find, Matches]):
    """Finds places by what people type: parts of names and addresses in any order, without regard to accents."""

    needs = ("places",)

    def start(self, graph: ThingGraph, layers: Layers) -> PlaceSearch:
        """The places of the city; they do not change while it runs."""
        found: PlaceSearch = layers["places"]
        return found

    def update(self, view: PlaceSearch, change: Change) -> None:
        """Nothing that happens moves a place."""

    def answer(self, question: Find, view: PlaceSearch, now_us: int) -> Matches:
        """The places that fit; without one, those with a name much like it."""
        near = question.point
        found = view.find(question.text, near, question.limit)
        places = tuple(_match(one.place, one.metres if near else None) for one in found)
        instead = () if places else tuple(_match(one, None) for one in view.suggest(question.text, near))
        said = [
            Sentence(
                "find_place.found" if places else "find_place.nothing", {"text": question.text, "count": len(places)}
            )
        ]
        said += [_line(one) for one in places]
        if instead:
            said += [Sentence("find_place.instead"), *(_line(one) for one in instead)]
        return Matches(question.text, places, instead, tuple(said))


def _match(place: Place, metres: float | None) -> Match:
    return Match(
        place.name, place.names, place.kind, place.address, place.lon, place.lat, None if metres is None else round(metres)
    )  # fmt: skip


def _line(one: Match) -> Sentence:
    key = "find_place.line.address" if one.address else "find_place.line"
    return Sentence(key, {"name": one.name, "address": one.address, "kind_key": f"place.{one.kind}"})
