"""Message catalogues of service folders: which words must be there."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from babel.messages.pofile import read_po

from dongne.runtime.manifest import Manifest

LANGUAGES = ("ko", "en")


def list_keys(manifest: Manifest, settings: Iterable[str]) -> list[str]:
    """The keys every catalogue of this service must have."""
    prefix = manifest.id
    return [
        f"{prefix}.title",
        f"{prefix}.summary",
        *(f"{prefix}.setting.{name}" for name in settings),
        *(f"{prefix}.property.{key}" for key in manifest.properties),
        *(f"{prefix}.case.{name}" for name in manifest.cases),
    ]


def read_words(file: Path) -> dict[str, str]:
    """Key -> text of a .po file."""
    with file.open("rb") as opened:
        catalogue = read_po(opened)
    return {str(m.id): str(m.string) for m in catalogue if isinstance(m.id, str) and m.id and m.string}


def find_missing_words(folder: Path, manifest: Manifest, settings: Iterable[str]) -> Iterator[str]:
    """What a service's catalogues lack: keys, and keys only one language has."""
    names = list(settings)
    words: dict[str, dict[str, str]] = {}
    for language in LANGUAGES:
        file = folder / "texts" / f"{language}.po"
        if file.exists():
            words[language] = read_words(file)
    everything = set(list_keys(manifest, names)).union(*(set(w) for w in words.values()))
    for language, known in words.items():
        for key in sorted(everything - set(known)):
            yield f"{folder.name}/texts/{language}.po lacks {key}"
