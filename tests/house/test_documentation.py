"""The documents say what is there: nothing unnamed, no link to nowhere, no command that would not be understood."""

import argparse
import re
import shlex
import tomllib
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import msgspec
import pytest

from dongne.adapters.sources import Source
from dongne.cli import COMMANDS, build_parser, main
from dongne.commands.bench import list_benches
from dongne.model.case_kinds import BUILT_IN
from dongne.model.cases import RELATIONS
from dongne.model.city import CityConfig
from dongne.model.properties import SHARED
from dongne.model.records import RecordKind
from dongne.model.tasks import TASK_STATES
from dongne.runtime.checks import CHECKS
from dongne.runtime.manifest import SERVICES, Manifest, list_manifests
from dongne.runtime.registry import LoadedService, load
from dongne.web.api.events import CHOICE

ROOT = Path(__file__).resolve().parents[2]
SKIPPED = {".venv", "node_modules", "var", "build", "dist"}
PAGES = sorted(page for page in ROOT.rglob("*.md") if not SKIPPED & set(page.relative_to(ROOT).parts))
MANIFESTS = list_manifests()


def read(place: str) -> str:
    return (ROOT / place).read_text(encoding="utf-8")


def unnamed(names: Iterator[str] | list[str] | tuple[str, ...], place: str) -> list[str]:
    """The names which this page does not have in code letters."""
    text = read(place)
    return [name for name in names if not re.search(rf"`[^`\n]*(?<![\w-]){re.escape(name)}(?![\w-])[^`\n]*`", text)]


# --- names ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("manifest", MANIFESTS, ids=lambda manifest: manifest.id)
def test_a_service_page_names_its_settings_properties_and_cases(manifest: Manifest) -> None:
    loaded = load(manifest.id)
    settings = [field.name for field in fields(loaded.declared.settings)] if isinstance(loaded, LoadedService) else []
    page = str((SERVICES / manifest.id / "README.md").relative_to(ROOT))
    assert unnamed([*settings, *manifest.properties, *manifest.cases, *manifest.case_kinds], page) == []


def test_every_service_is_on_the_first_page() -> None:
    linked = set(re.findall(r"src/dongne/services/(\w+)/README\.md", read("README.md")))
    assert {manifest.id for manifest in MANIFESTS} <= linked


def test_shared_properties_are_in_the_dictionary_with_their_unit() -> None:
    rows = dict(re.findall(r"^\| `(\w+)` \|[^|]*\| ([^|]+) \|", read("docs/dictionary.md"), re.MULTILINE))
    assert {key: rows.get(key) for key in SHARED} == {key: prop.unit for key, prop in SHARED.items()}


def test_kinds_of_case_with_their_states_and_actions_are_in_the_dictionary() -> None:
    names = {name for kind in BUILT_IN for name in (kind.name, *kind.steps)}
    names |= {action for kind in BUILT_IN for state in kind.steps for action in kind.list_actions(state)}
    names |= {cause for kind in BUILT_IN for causes in kind.causes.values() for cause in causes}
    names |= set(RELATIONS)
    assert unnamed(sorted(names | set(TASK_STATES)), "docs/dictionary.md") == []


def test_kinds_of_record_are_in_the_dictionary() -> None:
    assert unnamed([kind.name for kind in RecordKind], "docs/dictionary.md") == []


def test_what_a_city_says_of_itself_is_documented() -> None:
    assert (
        unnamed([field.name for field in msgspec.structs.fields(CityConfig) if field.name != "id"], "docs/cities.md")
        == []
    )


def test_what_a_source_says_of_itself_is_documented() -> None:
    assert unnamed([field.name for field in msgspec.structs.fields(Source)], "docs/cities.md") == []


def test_metrics_are_documented() -> None:
    """Those of the interface by name; those of the store, whose names follow from its counters, by counter."""
    names = re.findall(r'metric\(\s*"(dongne_\w+)"', read("src/dongne/web/api/metrics.py"))
    assert names
    assert unnamed(names, "docs/api.md") == []


def test_event_streams_are_documented() -> None:
    assert unnamed([f"/events/{name}" for name in CHOICE], "docs/api.md") == []


def test_every_check_of_a_service_is_explained() -> None:
    text = read("docs/services.md")
    assert [name for check in CHECKS if f"| {(name := check.__name__.replace('_', ' '))} |" not in text] == []


@pytest.mark.parametrize("page", ["README.md", "ARCHITECTURE.md"])
def test_every_room_is_on_the_map(page: str) -> None:
    rooms = [folder.name for folder in (ROOT / "src/dongne").iterdir() if (folder / "__init__.py").exists()]
    assert [room for room in rooms if not re.search(rf"\b{room}\b", read(page))] == []


def test_variables_of_the_environment_are_documented() -> None:
    code = [*(ROOT / "src").rglob("*.py"), *(ROOT / "bench").glob("*.py"), ROOT / "dev.py", ROOT / ".ci/run"]
    used = {name for file in code for name in re.findall(r"\bDONGNE_[A-Z_]+\b", file.read_text("utf-8"))}
    assert unnamed(sorted(used), "docs/settings.md") == []


def test_every_dependency_has_its_reason() -> None:
    project = tomllib.loads(read("pyproject.toml"))
    lists = [
        project["project"]["dependencies"],
        *project["project"]["optional-dependencies"].values(),
        *project["dependency-groups"].values(),
    ]
    names = {re.split(r"[^\w.-]", entry)[0] for entries in lists for entry in entries}
    reasons = read("DECISIONS.md").partition("## Dependencies")[2]
    assert [name for name in sorted(names) if not re.search(rf"\b{re.escape(name)}\b", reasons)] == []


def test_decisions_are_numbered_one_after_the_other() -> None:
    numbers = [int(number) for number in re.findall(r"^(\d+)\. ", read("DECISIONS.md"), re.MULTILINE)]
    assert numbers == list(range(1, len(numbers) + 1))


# --- commands -------------------------------------------------------------------------------------------------------


def list_options(parser: argparse.ArgumentParser) -> Iterator[str]:
    """The long options of a parser and of the actions below it, without --help."""
    for action in parser._actions:  # argparse has no public way to its options
        yield from (option for option in action.option_strings if option.startswith("--") and option != "--help")
        if isinstance(action, argparse._SubParsersAction):
            for below in action.choices.values():
                yield from list_options(below)


def parser_of(command: str) -> argparse.ArgumentParser:
    (commands,) = [a for a in build_parser()._actions if isinstance(a, argparse._SubParsersAction)]
    found = commands.choices[command]
    assert isinstance(found, argparse.ArgumentParser)
    return found


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_every_command_and_option_is_documented(command: str) -> None:
    assert unnamed(sorted({*list_options(parser_of(command))}), "docs/commands.md") == []
    assert f"\n## dongne {command}\n" in read("docs/commands.md")


def list_command_lines() -> Iterator[tuple[str, str]]:
    """(page, command line) of everything in code letters that begins with `dongne` or `python3 dev.py`."""
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        blocks = re.findall(r"^```\w*\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
        lines = [line for block in blocks for line in block.splitlines()]
        lines += re.findall(r"`([^`\n]+)`", re.sub(r"^```\w*\n.*?^```", "", text, flags=re.MULTILINE | re.DOTALL))
        for line in lines:
            command = re.sub(r"\s+#.*$", "", line.strip().removeprefix("$ ").removeprefix(".venv/bin/"))
            if command.startswith(("dongne ", "python3 dev.py ")):
                yield str(page.relative_to(ROOT)), command


def understood(command: str) -> bool:
    words = shlex.split(command)
    if words[0] == "python3":
        return words[2] in ("run", "test", "fix", "lock")
    if words[1] in ("COMMAND", "bench"):
        return words[1] == "COMMAND" or len(words) == 2 or words[2] in (*list_benches(), "NAME", "--help")
    if len(words) == 2 and words[1] in COMMANDS:
        return True  # only spoken of
    try:
        build_parser().parse_args(words[1:])
    except SystemExit as stopped:
        return stopped.code == 0
    return True


def test_every_command_line_in_the_documents_would_be_understood(capsys: pytest.CaptureFixture[str]) -> None:
    lines = list(list_command_lines())
    assert len(lines) > 30
    assert [line for line in lines if not understood(line[1])] == [], capsys.readouterr().err


def test_every_measurement_is_documented() -> None:
    assert unnamed([f"dongne bench {name}" for name in list_benches()], "docs/measurements.md") == []


@pytest.mark.parametrize("name", list_benches())
def test_every_measurement_explains_itself(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Through the command, so that what it says it takes reaches it."""
    with pytest.raises(SystemExit) as stopped:
        main(["bench", name, "--help"])
    assert stopped.value.code == 0
    assert "usage:" in capsys.readouterr().out


# --- links ----------------------------------------------------------------------------------------------------------


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as repositories' sites make them."""
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    headings = re.findall(r"^#+ +(.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page: Path) -> None:
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    broken = []
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+:", link):
            continue
        place, _, anchor = link.partition("#")
        target = (page.parent / place).resolve() if place else page
        if not target.exists() or (anchor and target.suffix == ".md" and anchor not in anchors(target)):
            broken.append(link)
    assert broken == []
