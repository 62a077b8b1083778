"""A backup is worth what a restore brings back."""

import threading
from pathlib import Path

import numpy as np
import pytest

from dongne.adapters.clock import CityClock
from dongne.compose import restore
from dongne.model.entities import Datastream, Thing
from dongne.model.errors import BadInput, BadSetup
from dongne.stores.embedded import EmbeddedStore
from dongne.stores.embedded.backup import check_backup, write_backup
from dongne.stores.sealed import SealedStore

from .conftest import Make


def open_city(folder: Path) -> EmbeddedStore:
    return EmbeddedStore.open(folder, CityClock(1.0))


def filled(folder: Path) -> EmbeddedStore:
    store = open_city(folder)
    thing = Thing(id=1, name="bin")
    stream = Datastream(id=1, name="level", thing_id=1, sensor_id=1, observed_property_id=1)
    store.submit(Make.entities(thing, stream)).result()
    store.submit(Make.observations(*((1, second, float(second)) for second in range(500)))).result()
    store.submit(Make.removal(store.head())).result()
    return store


def say_nothing(what: str, done: int, total: int) -> None:
    """Nobody looks."""


def test_what_is_restored_is_what_was_there(tmp_path: Path) -> None:
    store = filled(tmp_path / "city")
    store.seal(Make.day(30))
    before = store.series(1, Make.day(0), Make.day(1))
    kept = write_backup(tmp_path / "city", tmp_path / "kept", "krems")
    head = store.head()
    store.close()
    assert kept.head == head
    assert {file.name for file in kept.files} >= {"truth.db", "days/manifest.json"}
    restore(tmp_path / "kept", tmp_path / "again", say_nothing)
    again = open_city(tmp_path / "again")
    try:
        assert again.head() == head
        assert again.graph.things[1].name == "bin"
        for one, other in zip(again.series(1, Make.day(0), Make.day(1)), before, strict=True):
            np.testing.assert_array_equal(one, other)
        again.submit(Make.observations((1, 900, 1.0))).result()  # and it goes on
    finally:
        again.close()


def test_a_backup_beside_a_writer_is_one_moment_and_holds_all_that_was_acknowledged_before(tmp_path: Path) -> None:
    store = filled(tmp_path / "city")
    stop = threading.Event()

    def write() -> None:
        second = 1_000
        while not stop.is_set():
            store.submit(Make.observations(*((1, second + row, 1.0) for row in range(50)))).result()
            second += 50

    writer = threading.Thread(target=write)
    writer.start()
    try:
        acknowledged = store.head()
        kept = write_backup(tmp_path / "city", tmp_path / "kept", "krems")
    finally:
        stop.set()
        writer.join()
        store.close()
    assert kept.head >= acknowledged
    restore(tmp_path / "kept", tmp_path / "again", say_nothing)
    again = open_city(tmp_path / "again")
    try:
        times, _ = again.series(1, Make.day(0), Make.day(400))
        assert len(times) == kept.head - 2 - 1  # two records are no Observations, and one of these was removed
    finally:
        again.close()


def test_a_damaged_backup_is_refused_and_says_which_file(tmp_path: Path) -> None:
    filled(tmp_path / "city").close()
    write_backup(tmp_path / "city", tmp_path / "kept", "krems")
    with (tmp_path / "kept" / "truth.db").open("r+b") as file:
        file.seek(5_000)
        file.write(b"x")
    assert list(check_backup(tmp_path / "kept")) == ["truth.db is not as it was written"]
    with pytest.raises(BadInput, match=r"damaged: truth\.db is not as it was written"):
        restore(tmp_path / "kept", tmp_path / "again", say_nothing)
    assert not (tmp_path / "again").exists()


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    filled(tmp_path / "city").close()
    write_backup(tmp_path / "city", tmp_path / "kept", "krems")
    with pytest.raises(BadInput, match="is there already"):
        write_backup(tmp_path / "city", tmp_path / "kept", "krems")
    with pytest.raises(BadInput, match="is not empty"):
        restore(tmp_path / "kept", tmp_path / "city", say_nothing)
    with pytest.raises(BadInput, match="holds no city"):
        write_backup(tmp_path / "nowhere", tmp_path / "other", "krems")
    with pytest.raises(BadInput, match="is no backup"):
        restore(tmp_path / "city", tmp_path / "other", say_nothing)


def test_homes_are_kept_sealed_and_their_keys_only_where_that_is_asked_for(tmp_path: Path) -> None:
    filled(tmp_path / "city").close()
    homes = SealedStore.open(tmp_path / "city" / "homes", CityClock(1.0))
    homes.submit(Make.entities(Thing(id=7, name="Secret"))).result()
    for name, with_keys in (("kept", False), ("with keys", True)):
        kept = write_backup(tmp_path / "city", tmp_path / name, "krems", with_keys=with_keys)
        assert ("homes/keys" in {file.name for file in kept.files}) is with_keys
        assert not any("master" in file.name for file in kept.files)
        assert list(check_backup(tmp_path / name)) == []
        restore(tmp_path / name, tmp_path / f"{name} again", say_nothing)
    homes.close()
    master = tmp_path / "city" / "homes" / "master.key"
    with pytest.raises(BadSetup, match="put a copy of it back"):
        SealedStore.open(tmp_path / "kept again" / "homes", CityClock(1.0), master_file=master)
    with pytest.raises(BadSetup, match="master key"):
        SealedStore.open(tmp_path / "with keys again" / "homes", CityClock(1.0))
    again = SealedStore.open(tmp_path / "with keys again" / "homes", CityClock(1.0), master_file=master)
    assert again.graph.things[7].name == "Secret"
    again.close()
    assert (tmp_path / "with keys again" / "homes" / "keys").stat().st_mode & 0o077 == 0
