"""Short messages: what they cost, against counts by hand from the limits of TS 23.038 and 23.040."""

import unicodedata

import pytest

from dongne.standards.sms import GSM_7, UCS_2, Length, measure, shorten

LINK = "https://dongne.example/answers/x1"


@pytest.mark.parametrize(
    ("text", "length"),
    [
        ("", Length(GSM_7, 0, 1)),
        ("a" * 160, Length(GSM_7, 160, 1)),
        ("a" * 161, Length(GSM_7, 161, 2)),
        ("a" * 306, Length(GSM_7, 306, 2)),
        ("a" * 307, Length(GSM_7, 307, 3)),
        ("€" * 80, Length(GSM_7, 160, 1)),
        ("€" * 81, Length(GSM_7, 162, 2)),
        ("€" * 153, Length(GSM_7, 306, 3)),  # 76 in each of 153 septets: an escape isn't cut from its character
        ("불" * 70, Length(UCS_2, 70, 1)),
        ("불" * 71, Length(UCS_2, 71, 2)),
        ("불" * 134, Length(UCS_2, 134, 2)),
        ("불" * 135, Length(UCS_2, 135, 3)),
        ("🔥" * 35, Length(UCS_2, 70, 1)),
        ("🔥" * 67, Length(UCS_2, 134, 3)),  # 33 pairs in each of 67 units
        ("it's fine…", Length(UCS_2, 10, 1)),
    ],
)
def test_a_text_costs_what_the_standard_says(text: str, length: Length) -> None:
    assert measure(text) == length


def test_what_fits_is_left_as_it_is() -> None:
    assert shorten("불이 났습니다.", 1) == "불이 났습니다."
    assert shorten("불이 났습니다.", 1, LINK) == f"불이 났습니다.\n{LINK}"
    assert shorten("", 1, LINK) == LINK


def test_a_long_korean_text_is_cut_between_words_and_keeps_its_link() -> None:
    text = "김영희 님 댁에서 화재 경보가 울렸습니다. 119에 신고했습니다. 지금 댁에 계신지 확인해 주시고 아래 주소에서 알려 주세요."
    short = shorten(text, 1, LINK)
    kept, _, link = short.partition("\n")
    assert link == LINK
    assert measure(short).segments == 1
    assert kept.endswith("…")
    assert text.startswith(kept[:-1])
    assert text[len(kept) - 1] == " "


def test_an_english_text_stays_in_the_cheaper_alphabet_when_cut() -> None:
    short = shorten("smoke alarm " * 40, 2)
    assert short.endswith("alarm...") or short.endswith("smoke...")
    assert measure(short).encoding == GSM_7
    assert measure(short).segments == 2


def test_a_link_that_fills_the_message_goes_alone() -> None:
    link = "https://dongne.example/" + "x" * 200
    assert shorten("불이 났습니다.", 1, link) == link


def test_letters_that_are_put_together_of_jamo_are_counted_as_written() -> None:
    apart = unicodedata.normalize("NFD", "불" * 70)
    assert measure(apart).segments == 4
    assert measure(shorten(apart, 1)) == Length(UCS_2, 70, 1)
