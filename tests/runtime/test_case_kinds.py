"""Kinds of Case that a service folder brings along."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from dongne.model.case_kinds import CASE_KINDS, CaseKind, define_case_kind, get_case_kind
from dongne.model.cases import CaseEvent, apply_event
from dongne.model.errors import BadSetup
from dongne.model.who import Right
from dongne.runtime.manifest import CaseKindEntry, list_manifests, read_manifest
from dongne.runtime.words import find_missing_words, list_kind_keys

HEAD = """
id = "doorbell"
area = "safety"
origin = "none"
privacy = "public"
owner = "Dongne"
maturity = "lab"
[cases.rung]
kind = "ringing"
[case_kinds.ringing]
closed = ["answered", "unheard"]
within_s = { new = 60 }
priority = 3
by_severity = { extreme = 0 }
rights = { give_up = "model" }
causes = { give_up = ["nobody_there", "exercise"] }
[case_kinds.ringing.steps]
new = { answer = "answered", give_up = "unheard" }
unheard = { reopen = "new" }
"""


@pytest.fixture(autouse=True)
def kinds_as_before() -> Iterator[None]:
    before = dict(CASE_KINDS)
    yield
    CASE_KINDS.clear()
    CASE_KINDS.update(before)


def read(tmp_path: Path, old: str = "", new: str = "") -> CaseKind:
    folder = tmp_path / "doorbell"
    folder.mkdir(exist_ok=True)
    assert old in HEAD
    (folder / "service.toml").write_text(HEAD.replace(old, new) if old else HEAD)
    (kind,) = read_manifest(folder).list_case_kinds()
    return kind


def test_a_kind_of_a_folder_is_a_kind_like_any_other(tmp_path: Path) -> None:
    kind = read(tmp_path)
    define_case_kind(kind)
    assert get_case_kind("ringing") is kind
    assert kind.closed == {"answered", "unheard", "merged"}
    assert (kind.steps["answered"], kind.steps["merged"]) == ({}, {"reopen": "new"})
    assert (kind.right_of("give_up"), kind.right_of("answer")) == (Right.MODEL, Right.CASE)
    at = datetime(2026, 11, 20, 12, tzinfo=UTC)
    event = CaseEvent(key="doorbell/1/ringing/rung/1", kind="ringing", action="open", name="rung", time=at)
    opened = apply_event(None, msgspec.structs.replace(event, severity="extreme"), 1)
    assert opened is not None and opened[0].rank == 0
    assert opened[0].respond_by == datetime(2026, 11, 20, 12, 1, tzinfo=UTC)
    given_up = msgspec.structs.replace(event, action="give_up", cause="nobody_there")
    closed = apply_event(opened[0], given_up, 2)
    assert closed is not None and closed[0].is_closed


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('closed = ["answered", "unheard"]', 'closed = ["gone"]', "closed must name states there are"),
        ('closed = ["answered", "unheard"]', "closed = []", "closed must name states there are"),
        ("within_s = { new = 60 }", "within_s = { answered = 60 }", r"within_s\.answered: 60 s; it must be over 0 s"),
        ("within_s = { new = 60 }", "within_s = { new = 0 }", r"within_s\.new: 0 s"),
        ("priority = 3", "priority = 12", r"priority 12 lies out of 0\.\.9"),
        ("give_up = [", "gave_up = [", r"causes\.gave_up: there is no such step"),
        ('["nobody_there", "exercise"]', "[]", r"causes\.give_up: name one cause"),
        ('"model"', '"everything"', "everything"),
        ("new = { answer", "new = { note", "'note' is there in every kind"),
        ("new = { answer", 'waiting = { wait = "waiting" }\nnew = { answer', "no step leads from 'waiting'"),
        ("priority = 3", 'priority = 3\ninitial = "answered"', "initial 'answered' must be an open state"),
        ("priority = 3", "priority = 3\nprority = 4", "prority"),
    ],
)
def test_a_kind_that_does_not_fit_is_refused_with_file_and_place(tmp_path: Path, old: str, new: str, says: str) -> None:
    with pytest.raises(BadSetup, match=rf"doorbell/service\.toml: .*{says}"):
        read(tmp_path, old, new)


def test_two_services_can_not_mean_two_things_by_one_kind(tmp_path: Path) -> None:
    define_case_kind(read(tmp_path))
    with pytest.raises(BadSetup, match="'ringing' already"):
        define_case_kind(read(tmp_path, "priority = 3", "priority = 4"))
    with pytest.raises(BadSetup, match="'alert' already"):
        define_case_kind(CaseKindEntry(steps={"new": {"end": "over"}}, closed=frozenset({"over"})).kind("alert"))


def test_the_folder_must_have_the_words_of_its_kinds(tmp_path: Path) -> None:
    kind = read(tmp_path)
    manifest = read_manifest(tmp_path / "doorbell")
    assert {
        "case.kind.ringing",
        "case.ringing.state.unheard",
        "case.ringing.did.answer",
        "case.ringing.cause.exercise",
    } <= set(list_kind_keys(kind))
    texts = tmp_path / "doorbell" / "texts"
    texts.mkdir()
    for language in ("ko", "en"):
        (texts / f"{language}.po").write_text('msgid ""\nmsgstr "Content-Type: text/plain; charset=utf-8\\n"\n')
    assert "doorbell/texts/ko.po lacks case.ringing.step.give_up" in list(
        find_missing_words(tmp_path / "doorbell", manifest, [])
    )


def test_the_kinds_of_all_folders_fit_together() -> None:
    for manifest in list_manifests():
        for kind in manifest.list_case_kinds():
            define_case_kind(kind)
        assert {case.kind for case in manifest.cases.values()} <= set(CASE_KINDS)
