"""Places found by what people type."""

import pytest

from dongne.methods.place_search import Fit, Place, PlaceSearch, fold

STATION = Place(
    "Helsingin päärautatieasema",
    24.9414,
    60.1719,
    "station",
    {"ko": "헬싱키 중앙역", "sv": "Helsingfors centralstation"},
)
SQUARE = Place("Rautatientori", 24.9441, 60.1713, "square", {"sv": "Järnvägstorget"})
CAFES = [
    Place("Café Ekberg", 24.9372, 60.1651, "cafe", {}, "Bulevardi 9"),
    Place("Café Ekberg", 24.9501, 60.1702, "cafe"),
]
ADDRESSES = [Place(f"Asemanaukio {n}", 24.94 + n / 1e4, 60.1713, "address") for n in (20, 12, 2)]
HANGANG = Place("한강공원", 126.93, 37.52, "park", {"en": "Hangang Park"})
SEARCH = PlaceSearch([STATION, SQUARE, *CAFES, *ADDRESSES, HANGANG])


def names(text: str) -> list[str]:
    return [one.place.name for one in SEARCH.find(text)]


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("paarautatie", "Helsingin päärautatieasema"),  # without its dots
        ("PÄÄRAUTATIEASEMA", "Helsingin päärautatieasema"),
        ("jarnvagstorget", "Rautatientori"),  # in Swedish
        ("중앙역 헬싱키", "Helsingin päärautatieasema"),  # in any order
        ("ekberg bulevardi", "Café Ekberg"),
        ("hangang", "한강공원"),
    ],
)
def test_a_place_is_found_by_any_of_its_names(text: str, name: str) -> None:
    assert names(text) == [name]


@pytest.mark.parametrize("text", ["하", "한ㄱ", "한가", "한강ㄱ", "한강고"])
def test_a_half_typed_syllable_already_finds(text: str) -> None:
    assert names(text) == ["한강공원"]


def test_a_number_of_a_house_is_that_number_first() -> None:
    assert names("asemanaukio 2") == ["Asemanaukio 2", "Asemanaukio 20"]
    assert SEARCH.find("Asemanaukio 2")[0].fit is Fit.WHOLE


def test_of_equal_names_the_nearest_comes_first() -> None:
    east, west = (24.951, 60.1702), (24.937, 60.1652)
    assert [one.place for one in SEARCH.find("cafe ekberg", near=east)] == CAFES[::-1]
    assert [one.place for one in SEARCH.find("cafe ekberg", near=west)] == CAFES
    assert SEARCH.find("cafe ekberg", near=west)[0].metres == pytest.approx(16, abs=2)


@pytest.mark.parametrize("text", ["cafe ekberg", "ekberg", "Asemanaukio 2", "asem", "nowhere"])
@pytest.mark.parametrize("near", [None, (24.951, 60.1702), (24.937, 60.1652)])
def test_the_best_is_the_first_of_all_that_fit(text: str, near: tuple[float, float] | None) -> None:
    found = SEARCH.find(text, near)
    assert SEARCH.find_best(text, near) == (found[0].place if found else None)


def test_what_has_no_name_is_not_found_by_its_address() -> None:
    bench = Place("", 24.94, 60.17, "bench", {}, "Bulevardi 9")
    search = PlaceSearch([bench])
    assert search.places == (bench,) and search.find("bulevardi 9") == [] and search.suggest("bulevardi 9") == []


def test_the_better_fit_comes_before_the_nearer_place() -> None:
    far, near = Place("Kirkko", 25.0, 60.2), Place("Kirkkokatu", 24.0, 60.0)
    assert PlaceSearch([near, far]).find("kirkko", near=(24.0, 60.0))[0].place is far


def test_just_that_name_comes_before_one_that_begins_so_and_one_that_has_the_word() -> None:
    part, begins, whole = (Place(name, 24.9, 60.2, "cafe") for name in ("Café Kamppi", "Kamppi Chapel", "Kamppi"))
    found = [one.place for one in PlaceSearch([part, begins, whole]).find("kamppi")]
    assert found == [whole, begins, part]


@pytest.mark.parametrize("kind", ["suburb", "square", "station"])
@pytest.mark.parametrize("near", [None, (24.0, 60.0)])
def test_of_equal_names_the_part_of_the_city_comes_before_what_is_called_after_it(
    kind: str, near: tuple[float, float] | None
) -> None:
    pub, meant, street = (
        Place("Kamppi", 24.0, 60.0, "pub"),
        Place("Kamppi", 24.9, 60.2, kind),
        Place("Kamppi", 24.9, 60.2, "street"),
    )
    search = PlaceSearch([pub, street, meant])
    assert search.find("kamppi", near)[0].place is meant
    assert search.find_best("kamppi", near) is meant


@pytest.mark.parametrize(
    ("text", "name"), [("Rautatietori", "Rautatientori"), ("asemaaukio 12", "Asemanaukio 12"), ("한간공원", "한강공원")]
)
def test_what_nothing_matches_is_answered_with_the_likest_names(text: str, name: str) -> None:
    assert SEARCH.find(text) == []
    assert SEARCH.suggest(text)[0].name == name


@pytest.mark.parametrize("text", ["", " ", "!?", "_", "́"])
def test_nothing_said_finds_nothing(text: str) -> None:
    assert SEARCH.find(text) == [] and SEARCH.suggest(text) == []


def test_nothing_is_suggested_where_nothing_is_alike() -> None:
    assert SEARCH.suggest("Zzyzx") == []


def test_folding_keeps_letters_that_have_no_accent() -> None:
    assert fold("Øresund Łódź STRASSE straße Æ") == "oresund lodz strasse strasse ae"
