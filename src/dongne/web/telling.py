"""How an answer is told: its `sentences` are catalogue keys with values, and some of the values are keys themselves.

A value named `<x>_key` is a catalogue key: its text fills in `{<x>}`, with `<x>_values` for the gaps of its own, which may be keys again. A key
nobody has words for is told by its last word.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from dongne.runtime.answer import Sentence
from dongne.web.names import Names, plain
from dongne.web.texts import Words


def tell(words: Words, names: Names, sentences: Iterable[Sentence], things: Mapping[str, str]) -> list[str]:
    """The sentences as text. `things` are names of Things as they are in this language, by their own name."""

    def text(key: str, values: Mapping[str, Any]) -> str:
        room, _, rest = key.partition(".")
        if room == "unit":
            return names.unit(rest)
        if room == "where":
            return words.find([key]) or rest
        return words.find([key], **filled(values)) or plain(key.rpartition(".")[2])

    def filled(values: Mapping[str, Any]) -> dict[str, Any]:
        found: dict[str, Any] = {k: things.get(v, v) if isinstance(v, str) else v for k, v in values.items()}
        for name in [n for n in found if n.endswith("_key")]:
            stem = name.removesuffix("_key")
            found[stem] = text(str(found.pop(name)), found.pop(f"{stem}_values", {}))
        return found

    return [
        words.find([sentence.key], **filled(sentence.values)) or plain(sentence.key.rpartition(".")[2])
        for sentence in sentences
    ]
