"""Saved defaults: what a replica says holds for all that share the folder."""

import json

import pytest

from shared.core.errors import InsufficientStorage
from tts_service.voices.defaults import Defaults, DefaultsStore

INITIAL = Defaults("en")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "tts" / "defaults.json"


def test_what_one_replica_saves_the_others_use(path):
    one, two = DefaultsStore(path, INITIAL), DefaultsStore(path, INITIAL)
    assert one.current == two.current == INITIAL
    one.save(Defaults("es", "me.wav"))
    assert two.current == Defaults("es", "me.wav")
    two.save(Defaults("pt"))
    assert one.current == Defaults("pt")
    assert DefaultsStore(path, INITIAL).current == Defaults("pt")


def test_a_file_that_became_unreadable_changes_nothing_and_is_reported_once(path, caplog):
    store = DefaultsStore(path, INITIAL)
    store.save(Defaults("es"))
    path.write_text("{")
    assert [store.current, store.current] == [Defaults("es")] * 2
    assert caplog.text.count("saved defaults ignored") == 1
    path.write_text(json.dumps({"language": "fr", "voice_sample": None}))
    assert store.current == Defaults("fr")


def test_a_folder_that_cannot_be_written_is_not_fatal(path, caplog):
    path.parent.write_text("a file where the folder should be")
    store = DefaultsStore(path, INITIAL)
    store.save(Defaults("es"))
    assert store.current == Defaults("es")
    assert "defaults not saved" in caplog.text


def test_a_full_disk_changes_nothing_and_leaves_nothing_half_written(path, full_disk):
    store = DefaultsStore(path, INITIAL)
    store.save(Defaults("es", "me.wav"))
    with full_disk(), pytest.raises(InsufficientStorage) as caught:
        store.save(Defaults("pt"))
    assert (caught.value.status, caught.value.ws_close, caught.value.code) == (
        507,
        1011,
        "disk_full",
    )
    assert store.current == DefaultsStore(path, INITIAL).current == Defaults("es", "me.wav")
    assert list(path.parent.iterdir()) == [path]
    store.save(Defaults("pt"))
    assert DefaultsStore(path, INITIAL).current == Defaults("pt")
