"""Message catalogues of service folders: which words must be there."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from babel.messages.pofile import read_po

from dongne.model.case_kinds import MERGED, REOPEN, CaseKind
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
        *(key for kind in manifest.list_case_kinds() for key in list_kind_keys(kind)),
    ]


def list_kind_keys(kind: CaseKind) -> list[str]:
    """The words of a kind of Case that a service brings along: what it is called, its states, and for each step its name, what
    is said when it was taken, and its causes."""
    steps = sorted({action for steps in kind.steps.values() for action in steps} - {REOPEN})
    return [
        f"case.kind.{kind.name}",
        *(f"case.{kind.name}.state.{state}" for state in sorted(set(kind.steps) - {MERGED})),
        *(f"case.{kind.name}.{word}.{action}" for action in steps for word in ("step", "did")),
        *(f"case.{kind.name}.cause.{cause}" for cause in sorted({c for found in kind.causes.values() for c in found})),
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
