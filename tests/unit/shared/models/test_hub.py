"""Models of a hub: laid out by hand, fetched, interrupted, refused, damaged, by two at once."""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
import subprocess
import sys
import threading
import time
import types
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from shared.core.errors import InvalidRequest, ModelDamaged, NotReady, UnknownModel
from shared.models import locate, prepare_all, records
from shared.models import lock as turns
from shared.models.hub import fetch as hub_fetch
from shared.models.hub import prepare as hub
from shared.models.hub.catalogue import (
    HUB,
    WHISPER_REPOSITORIES,
    hub_model,
    is_hub_name,
    licence_of,
    whisper_repository,
)
from tests.unit.shared.models.fake_hub import COMMIT, FakeHub

ARCHIVE = bytes(range(256)) * 12_000
FILES = {
    "nvidia/tiny": {"tiny.nemo": ARCHIVE, "README.md": b"a page"},
    "acme/faster-whisper-nano": {
        "model.bin": ARCHIVE[:5000],
        "config.json": b"{}",
        "tokenizer.json": b"[]",
        "vocabulary.json": b"[1]",
        "extra/training.bin": b"not needed",
    },
    "nvidia/empty": {"README.md": b"nothing else"},
    "coqui/XTTS-v2": {name: name.encode() for name in ("config.json", "model.pth", "vocab.json")},
}
TINY = "nvidia/tiny"
DIGEST = hashlib.sha256(ARCHIVE).hexdigest()
BLOCK = 64 << 10


def start_of(span: str | None) -> int:
    """The first byte that a Range header asks for."""
    return int((span or "bytes=0-").removeprefix("bytes=").partition("-")[0])


@pytest.fixture
def fake_hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    """A hub of its own; the client is told of it as its own variables would."""
    from huggingface_hub import HfFileSystem, constants
    from huggingface_hub.utils import _http

    server = FakeHub(FILES)
    monkeypatch.setattr(constants, "ENDPOINT", server.url)
    template = server.url + "/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.setattr(hub_fetch, "BLOCK", BLOCK)
    # It pauses for seconds before each attempt to go on.
    hasty = types.SimpleNamespace(**{**vars(time), "sleep": lambda _: None})
    monkeypatch.setattr(_http, "time", hasty)
    yield server
    HfFileSystem.clear_instance_cache()
    server.close()


@pytest.fixture(autouse=True)
def own_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HF_HOME", "HF_HUB_CACHE", "HF_HUB_OFFLINE", "HF_ENDPOINT"):
        monkeypatch.delenv(name, raising=False)


def lay_out(cache: Path, repo_id: str, files: dict[str, bytes], commit: str = COMMIT) -> Path:
    """What the hub's own client, or a person with a stick, leaves."""
    folder = cache / f"models--{repo_id.replace('/', '--')}"
    (folder / "refs").mkdir(parents=True)
    (folder / "refs" / "main").write_text(commit)
    for name, data in files.items():
        path = folder / "snapshots" / commit / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return folder


class TestLocate:
    def test_files_that_were_laid_out_are_found_without_a_network(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
        monkeypatch.setenv("HF_HUB_OFFLINE", "1")
        lay_out(tmp_path / "hf" / "hub", TINY, {"tiny.nemo": b"weights", "a/b.json": b"{}"})
        path = hub.locate(TINY, "tiny.nemo", tmp_path)
        assert path.read_bytes() == b"weights"
        assert hub.locate(TINY, "a/b.json", tmp_path).read_bytes() == b"{}"
        assert hub.ensure(TINY, tmp_path) == path.parent == locate(TINY, tmp_path)

    def test_where_the_cache_is(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        home = tmp_path / "home"
        assert hub.cache_folder(home) == home / "models" / "hub" / "hub"
        monkeypatch.setenv("HF_HOME", "/a")
        assert hub.cache_folder(home) == Path("/a/hub")
        monkeypatch.setenv("HF_HUB_CACHE", "/b")
        assert hub.cache_folder(home) == Path("/b")

    def test_what_is_missing_names_the_command(self, tmp_path: Path) -> None:
        with pytest.raises(NotReady, match="run: mesh download nvidia/tiny"):
            hub.locate(TINY, "tiny.nemo", tmp_path)
        with pytest.raises(NotReady, match="COQUI_TOS_AGREED=1 mesh download coqui/XTTS-v2"):
            hub.locate_folder("coqui/XTTS-v2", tmp_path)
        lay_out(hub.cache_folder(tmp_path), TINY, {"other.nemo": b"x"})
        with pytest.raises(NotReady, match=r"tiny\.nemo is missing"):
            hub.locate(TINY, "tiny.nemo", tmp_path)
        with pytest.raises(NotReady, match=r"tiny\.nemo is missing"):
            locate(TINY, tmp_path)

    @pytest.mark.parametrize("reference", ["", "gone", "\xff"])
    def test_a_reference_to_nothing(self, tmp_path: Path, reference: str) -> None:
        folder = lay_out(hub.cache_folder(tmp_path), TINY, {"tiny.nemo": b"x"})
        (folder / "refs" / "main").write_bytes(reference.encode("latin-1"))
        with pytest.raises(NotReady):
            hub.locate(TINY, "tiny.nemo", tmp_path)

    @pytest.mark.parametrize("name", ["../etc/passwd", "/etc/passwd", "", "a/../../b"])
    def test_only_files_of_the_repository(self, tmp_path: Path, name: str) -> None:
        with pytest.raises(InvalidRequest):
            hub.locate(TINY, name, tmp_path)

    @pytest.mark.parametrize("name", ["tiny", "../x", "a/../b", "a/b/c", "a b/c", "", "a/b..c"])
    def test_only_names_of_repositories(self, tmp_path: Path, name: str) -> None:
        assert not is_hub_name(name)
        with pytest.raises(UnknownModel):
            hub.locate(name, "x", tmp_path)


class TestEnsure:
    def test_a_model_is_fetched_verified_and_found_by_the_client(
        self, fake_hub: FakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from huggingface_hub import hf_hub_download

        monkeypatch.setenv("HF_TOKEN", "hf_secret")
        told: list[tuple[str, int, int]] = []
        folder = hub.ensure(TINY, tmp_path, lambda _, *news: told.append(news))
        assert (folder / "tiny.nemo").read_bytes() == ARCHIVE
        assert not (folder / "README.md").exists()
        assert hub.locate(TINY, "tiny.nemo", tmp_path) == folder / "tiny.nemo"
        cache = hub.cache_folder(tmp_path)
        found = hf_hub_download(TINY, "tiny.nemo", cache_dir=cache, local_files_only=True)
        assert Path(found).read_bytes() == ARCHIVE
        lengths = [done for what, done, _ in told if what == "fetching tiny.nemo"]
        assert lengths == sorted(lengths)
        assert len(lengths) > 10
        assert told[-1] == ("ready", len(ARCHIVE), len(ARCHIVE))
        # The token is for the hub, not for the host that its answer points to.
        tokens = {path.split("/")[1]: token for _, path, _, token in fake_hub.asked}
        assert tokens["nvidia"] == "Bearer hf_secret"
        assert tokens["cdn"] is None

    def test_what_is_there_is_not_asked_for_again(self, fake_hub: FakeHub, tmp_path: Path) -> None:
        hub.ensure(TINY, tmp_path)
        fake_hub.asked.clear()
        hub.ensure(TINY, tmp_path)
        assert fake_hub.asked == []

    def test_only_the_files_that_are_needed_come(self, fake_hub: FakeHub, tmp_path: Path) -> None:
        folder = hub.ensure("acme/faster-whisper-nano", tmp_path)
        names = sorted(path.name for path in folder.iterdir())
        assert names == ["config.json", "model.bin", "tokenizer.json", "vocabulary.json"]
        assert hub_model("acme/faster-whisper-nano").commercial_use is False

    def test_a_broken_connection_is_taken_up_again(self, fake_hub: FakeHub, tmp_path: Path) -> None:
        fake_hub.cut_after, fake_hub.cuts = 10_000, 4
        folder = hub.ensure(TINY, tmp_path)
        assert (folder / "tiny.nemo").read_bytes() == ARCHIVE
        starts = [start_of(span) for _, span in fake_hub.downloads()]
        assert starts == [0] * 4 + list(range(0, len(ARCHIVE), BLOCK))

    def test_a_later_call_goes_on_where_an_earlier_one_stopped(
        self, fake_hub: FakeHub, tmp_path: Path
    ) -> None:
        blobs = hub.cache_folder(tmp_path) / "models--nvidia--tiny" / "blobs"
        blobs.mkdir(parents=True)
        (blobs / f"{DIGEST}.partial").write_bytes(ARCHIVE[:2_000_000])
        hub.ensure(TINY, tmp_path)
        starts = [start_of(span) for _, span in fake_hub.downloads()]
        assert starts == list(range(2_000_000, len(ARCHIVE), BLOCK))

    @pytest.mark.parametrize("left", [len(ARCHIVE), len(ARCHIVE) + 5])
    def test_a_part_that_is_whole_or_too_long(
        self, fake_hub: FakeHub, tmp_path: Path, left: int
    ) -> None:
        blobs = hub.cache_folder(tmp_path) / "models--nvidia--tiny" / "blobs"
        blobs.mkdir(parents=True)
        (blobs / f"{DIGEST}.partial").write_bytes((ARCHIVE + b"extra")[:left])
        assert (hub.ensure(TINY, tmp_path) / "tiny.nemo").read_bytes() == ARCHIVE
        starts = [start_of(span) for _, span in fake_hub.downloads()]
        assert starts == (list(range(0, len(ARCHIVE), BLOCK)) if left > len(ARCHIVE) else [])

    def test_other_bytes_than_announced_are_refused_and_thrown_away(
        self, fake_hub: FakeHub, tmp_path: Path
    ) -> None:
        fake_hub.lie = True
        with pytest.raises(ModelDamaged, match="checksum"):
            hub.ensure(TINY, tmp_path)
        assert list((hub.cache_folder(tmp_path) / "models--nvidia--tiny" / "blobs").iterdir()) == []
        with pytest.raises(NotReady):
            hub.locate(TINY, "tiny.nemo", tmp_path)

    @pytest.mark.parametrize("damage", ["shorter", "flipped", "gone"])
    def test_a_file_that_was_damaged_since_is_found_and_fetched_again(
        self, fake_hub: FakeHub, tmp_path: Path, damage: str
    ) -> None:
        blob = (hub.ensure(TINY, tmp_path) / "tiny.nemo").resolve()
        if damage == "gone":
            blob.unlink()
        else:
            data = bytearray(ARCHIVE)
            data[77] ^= 1
            blob.write_bytes(data[:-1] if damage == "shorter" else data)
        with pytest.raises(NotReady, match=r"tiny\.nemo is (damaged|missing)"):
            hub.locate(TINY, "tiny.nemo", tmp_path)
        with pytest.raises(NotReady, match=r"tiny\.nemo is (damaged|missing)"):
            hub.locate_folder(TINY, tmp_path)
        hub.ensure(TINY, tmp_path)
        assert hub.locate(TINY, "tiny.nemo", tmp_path).read_bytes() == ARCHIVE

    def test_a_copied_file_is_hashed_once(
        self, fake_hub: FakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        blob = (hub.ensure(TINY, tmp_path) / "tiny.nemo").resolve()
        os.utime(blob, (1, 1))
        hashed: list[Path] = []
        real = records.sha256_of
        monkeypatch.setattr(records, "sha256_of", lambda path: hashed.append(path) or real(path))
        for _ in range(3):
            hub.locate(TINY, "tiny.nemo", tmp_path)
        assert len(hashed) == 1

    def test_a_broken_record_is_no_obstacle(self, fake_hub: FakeHub, tmp_path: Path) -> None:
        hub.ensure(TINY, tmp_path)
        record = hub.cache_folder(tmp_path) / ".voicemesh" / "nvidia--tiny.json"
        assert json.loads(record.read_text())["commit"] == COMMIT
        for content in ("", "[]", '{"files": 3, "commit": "x"}'):
            record.write_text(content)
            assert hub.locate(TINY, "tiny.nemo", tmp_path).is_file()


class TestRefusals:
    def refused(self, tmp_path: Path, repo_id: str = TINY) -> NotReady:
        with pytest.raises(NotReady) as caught:
            hub.ensure(repo_id, tmp_path)
        return caught.value

    def test_gated(self, fake_hub: FakeHub, tmp_path: Path) -> None:
        fake_hub.gated = True
        error = self.refused(tmp_path)
        assert error.code == "model_gated"
        assert "HF_TOKEN" in error.message

    def test_no_such_repository(self, fake_hub: FakeHub, tmp_path: Path) -> None:
        assert self.refused(tmp_path, "nvidia/unheard-of").code == "model_not_found"

    def test_a_repository_without_the_file(self, fake_hub: FakeHub, tmp_path: Path) -> None:
        assert "has no file empty.nemo" in self.refused(tmp_path, "nvidia/empty").message

    @pytest.mark.parametrize(
        ("status", "code"), [(503, "hub_failed"), (429, "hub_failed"), (403, "hub_refused")]
    )
    def test_a_hub_that_fails_or_refuses(
        self, fake_hub: FakeHub, tmp_path: Path, status: int, code: str
    ) -> None:
        fake_hub.status = status
        error = self.refused(tmp_path)
        assert str(status) in error.message
        assert error.code == code

    def test_a_hub_that_is_not_there(
        self, fake_hub: FakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from huggingface_hub import constants

        monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
        error = self.refused(tmp_path)
        assert error.code == "hub_unreachable"
        assert "127.0.0.1" not in error.message

    def test_a_connection_that_keeps_breaking_leaves_what_came(
        self, fake_hub: FakeHub, tmp_path: Path
    ) -> None:
        fake_hub.cut_after = 0
        assert self.refused(tmp_path).code == "hub_unreachable"
        fake_hub.cut_after = None
        hub.ensure(TINY, tmp_path)

    @pytest.mark.parametrize("variable", [None, "HF_HUB_OFFLINE"])
    def test_offline(
        self,
        fake_hub: FakeHub,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        variable: str | None,
    ) -> None:
        if variable:
            monkeypatch.setenv(variable, "1")
        with pytest.raises(NotReady, match="run with network: mesh download nvidia/tiny"):
            hub.ensure(TINY, tmp_path, offline=variable is None)
        assert fake_hub.asked == []

    def test_xtts_only_with_the_persons_consent(self, fake_hub: FakeHub, tmp_path: Path) -> None:
        error = self.refused(tmp_path, "coqui/XTTS-v2")
        assert error.code == "licence_not_accepted"
        assert "COQUI_TOS_AGREED=1" in error.message
        assert fake_hub.asked == []
        folder = hub.ensure("coqui/XTTS-v2", tmp_path, consents={"COQUI_TOS_AGREED"})
        assert (folder / "model.pth").read_bytes() == b"model.pth"

    def test_no_disk_space(
        self, fake_hub: FakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(
            hub_fetch.shutil, "disk_usage", lambda _: type("Usage", (), {"free": 1000})()
        )
        assert self.refused(tmp_path).code == "disk_full"

    def test_a_disk_that_is_full_all_the_same(self, fake_hub: FakeHub, tmp_path: Path) -> None:
        blobs = hub.cache_folder(tmp_path) / "models--nvidia--tiny" / "blobs"
        blobs.mkdir(parents=True)
        (blobs / f"{DIGEST}.partial").symlink_to("/dev/full")
        error = self.refused(tmp_path)
        assert error.code == "model_not_writable"
        assert "No space left" in error.message

    def test_a_folder_that_cannot_be_written(self, fake_hub: FakeHub, tmp_path: Path) -> None:
        (tmp_path / "models").write_text("a file where a folder should be")
        assert self.refused(tmp_path).code == "model_not_writable"

    def test_a_client_that_is_not_installed(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setitem(sys.modules, "huggingface_hub", None)
        assert "pip install -e '.[hub]'" in self.refused(tmp_path).message


class TestTwoAtOnce:
    def test_waiting_is_told(self, fake_hub: FakeHub, tmp_path: Path) -> None:
        repository = hub._Repository(hub_model(TINY), hub.cache_folder(tmp_path))
        lock = repository.lock()
        told: list[str] = []
        with ThreadPoolExecutor(1) as other:

            def progress(model: str, what: str, done: int, total: int) -> None:
                told.append(what)
                other.submit(lock.release)

            other.submit(lock.acquire).result()
            hub.ensure(TINY, tmp_path, progress)
        assert told[0].startswith("waiting")

    def test_one_that_never_ends_is_said(
        self, fake_hub: FakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(turns, "LOCK_TIMEOUT_S", 0.05)
        lock = hub._Repository(hub_model(TINY), hub.cache_folder(tmp_path)).lock()
        with ThreadPoolExecutor(1) as other:
            other.submit(lock.acquire).result()
            with pytest.raises(NotReady, match="still preparing"):
                hub.ensure(TINY, tmp_path)
            other.submit(lock.release).result()

    def test_two_processes_fetch_it_once(self, fake_hub: FakeHub, tmp_path: Path) -> None:
        context = multiprocessing.get_context("spawn")
        os.environ["HF_ENDPOINT"] = fake_hub.url
        workers = [context.Process(target=hub.ensure, args=(TINY, tmp_path)) for _ in range(2)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join(60)
        assert [worker.exitcode for worker in workers] == [0, 0]
        assert len(fake_hub.downloads()) == 1, "the file is smaller than one block"

    def test_a_killed_process_is_taken_over_from(self, fake_hub: FakeHub, tmp_path: Path) -> None:
        """The real client in a real process, killed in the middle of a file."""
        fake_hub.spared, fake_hub.cut_after, fake_hub.hold = 20, 1000, threading.Event()
        program = (
            "import sys; from pathlib import Path; from shared.models.hub import fetch, prepare; "
            f"fetch.BLOCK = {BLOCK}; prepare.ensure({TINY!r}, Path(sys.argv[1]))"
        )
        environment = {**os.environ, "HF_ENDPOINT": fake_hub.url}
        client = subprocess.Popen([sys.executable, "-c", program, str(tmp_path)], env=environment)
        blobs = hub.cache_folder(tmp_path) / "models--nvidia--tiny" / "blobs"
        try:
            for _ in range(1500):
                if len(fake_hub.downloads()) > 20:
                    break
                time.sleep(0.02)
        finally:
            client.kill()
            client.wait()
        (partial,) = blobs.glob("*.partial")
        assert partial.stat().st_size == 20 * BLOCK
        assert list((blobs.parent / "snapshots").glob("*")) == []
        fake_hub.hold.set()
        fake_hub.cut_after = None
        assert (hub.ensure(TINY, tmp_path) / "tiny.nemo").read_bytes() == ARCHIVE
        starts = [start_of(span) for _, span in fake_hub.downloads()[21:]]
        assert starts == list(range(20 * BLOCK, len(ARCHIVE), BLOCK))


def test_models_of_both_kinds_are_prepared_together(fake_hub: FakeHub, tmp_path: Path) -> None:
    result = prepare_all([TINY, "coqui/XTTS-v2", "unheard-of"], tmp_path)
    assert result[TINY] == locate(TINY, tmp_path)
    assert isinstance(result["coqui/XTTS-v2"], NotReady)
    assert isinstance(result["unheard-of"], UnknownModel)


@pytest.mark.parametrize(
    ("names", "licence"),
    [
        (["nvidia/tts_en_fastpitch", "nvidia/tts_hifigan"], ("CC-BY-4.0", True)),
        (["nvidia/tts_en_fastpitch", "/own/voc.nemo"], ("CC-BY-4.0 + see the model's card", False)),
        (["nvidia/unheard-of"], ("see its page", False)),
        (["acme/xtts-finetuned"], ("Coqui Public Model License (CPML)", False)),
    ],
)
def test_the_licence_of_what_is_used_together(names: list[str], licence: tuple[str, bool]) -> None:
    assert licence_of(*names) == licence


def test_where_a_whisper_is() -> None:
    assert whisper_repository("large-v3") == "Systran/faster-whisper-large-v3"
    assert whisper_repository("acme/my-whisper") == "acme/my-whisper"
    assert hub_model(whisper_repository("turbo")).licence == "MIT"
    with pytest.raises(UnknownModel, match="large-v3"):
        whisper_repository("enormous")


def test_the_names_are_those_of_the_library() -> None:
    from faster_whisper import available_models

    assert set(available_models()) == set(WHISPER_REPOSITORIES)


def test_xtts_under_another_name_needs_the_consent_too() -> None:
    assert hub_model("acme/xtts-finetuned").consent == "COQUI_TOS_AGREED"


def test_every_licence_is_known() -> None:
    assert {model.repo_id for model in HUB.values() if not model.commercial_use} == {
        "coqui/XTTS-v2"
    }
    for model in HUB.values():
        assert is_hub_name(model.repo_id)
        assert model.licence
        assert model.files
