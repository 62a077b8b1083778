"""Korean particles, which depend on how the word before them ends: 나무는, 가로등은."""

import re

WRITTEN = {
    "은(는)": "은/는",
    "이(가)": "이/가",
    "을(를)": "을/를",
    "와(과)": "과/와",
    "(으)로": "으로/로",
    "이에요(예요)": "이에요/예요",
}
_BOTH = re.compile(r"(\S+?)(" + "|".join(re.escape(both) for both in WRITTEN) + ")")
PAIRS = frozenset({"은/는", "이/가", "을/를", "과/와", "으로/로", "이에요/예요"})
_DIGIT_FINALS = {"0": "ㅇ", "1": "ㄹ", "2": "", "3": "ㅁ", "4": "", "5": "", "6": "ㄱ", "7": "ㄹ", "8": "ㄹ", "9": ""}
_LATIN_FINALS = {"l": "ㄹ", "m": "ㅁ", "n": "ㄴ"}
_HANGUL_FIRST, _HANGUL_LAST, _FINALS, _RIEUL = 0xAC00, 0xD7A3, 28, 8


def find_final(word: str) -> str:
    """The final consonant of the word as it is read in Korean: "ㄹ", some other, or "" for a vowel."""
    for character in reversed(word.casefold()):
        code = ord(character)
        if _HANGUL_FIRST <= code <= _HANGUL_LAST:
            final = (code - _HANGUL_FIRST) % _FINALS
            return "" if final == 0 else "ㄹ" if final == _RIEUL else "ㅇ"
        if character in _DIGIT_FINALS:
            return _DIGIT_FINALS[character]
        if character.isalpha():
            return _LATIN_FINALS.get(character, "")
    return ""


def with_particle(word: str, pair: str) -> str:
    """The word with the particle of the pair that fits: ("가로등", "은/는") gives 가로등은."""
    after_consonant, after_vowel = pair.split("/")
    final = find_final(word)
    if pair == "으로/로" and final == "ㄹ":
        return word + after_vowel
    return word + (after_consonant if final else after_vowel)


def choose_particles(text: str) -> str:
    """The text with each 은(는), 이(가) and so on replaced by the one that fits."""
    return _BOTH.sub(lambda found: with_particle(found[1], WRITTEN[found[2]]), text)
