"""Archives of NeMo's are unpacked on the models' volume, and nothing is left there."""

import errno
import io
import shutil
import subprocess
import sys
import tarfile
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

from shared.core.errors import ModelDamaged, NotReady
from shared.models import unpacking
from shared.models.hub.nemo_archive import restore
from shared.models.unpacking import FOLDER, unpacked


@contextmanager
def files_of(archive, mode="w"):
    """Adds members to an archive: ``add(name, content)``."""
    with tarfile.open(archive, mode) as tar:

        def add(name, content):
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))

        yield add


@pytest.fixture(params=["w", "w:gz"])
def archive(request, tmp_path):
    path = tmp_path / "tiny.nemo"
    with files_of(path, request.param) as add:
        add("./model_config.yaml", b"a: 1")
        add("./tokenizers/en.model", b"words")
    return path


@pytest.fixture
def home(tmp_path):
    return tmp_path / "home"


def left(home):
    return [path.name for path in (home / "models" / FOLDER).iterdir() if path.is_dir()]


def test_files_are_there_in_the_block_and_gone_after_it(archive, home):
    with unpacked(archive, home) as folder:
        assert folder.is_relative_to(home / "models")
        assert (folder / "model_config.yaml").read_bytes() == b"a: 1"
        assert (folder / "tokenizers" / "en.model").read_bytes() == b"words"
    assert left(home) == []


def test_nothing_is_left_when_the_block_fails(archive, home):
    with pytest.raises(ZeroDivisionError), unpacked(archive, home):
        raise ZeroDivisionError
    assert left(home) == []


def test_what_a_killed_process_left_is_removed(archive, home):
    killed = (
        "import os, sys, pathlib; from shared.models.unpacking import unpacked\n"
        "with unpacked(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])): os._exit(9)"
    )
    other = archive.with_name("other.nemo")
    shutil.copy(archive, other)
    subprocess.run([sys.executable, "-c", killed, other, home], check=False, timeout=60)
    assert left(home) == ["other"]
    with unpacked(archive, home):
        assert left(home) == ["tiny"]
    assert left(home) == []


def test_an_archive_that_is_being_read_elsewhere_is_left_alone(archive, home):
    other = archive.with_name("other.nemo")
    shutil.copy(archive, other)
    with unpacked(archive, home) as folder, unpacked(other, home):
        assert (folder / "model_config.yaml").is_file()


def test_too_little_room_is_known_before_anything_is_written(archive, home, monkeypatch):
    monkeypatch.setattr(unpacking.shutil, "disk_usage", lambda _: SimpleNamespace(free=1 << 20))
    with pytest.raises(NotReady, match=r"'tiny' needs 50 MiB of free disk in .*models") as caught:
        unpacked(archive, home).__enter__()
    assert str(home / "models" / FOLDER) in caught.value.message
    assert caught.value.code == "disk_full"
    assert left(home) == []


def test_a_disk_that_fills_up_is_said(archive, home, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(unpacking.shutil, "copyfileobj", full)
    with pytest.raises(NotReady, match="free disk in"):
        unpacked(archive, home).__enter__()
    assert left(home) == []


def test_a_folder_that_cannot_be_made_is_said(archive, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(NotReady, match=r"cannot be unpacked in .*Not a directory"):
        unpacked(archive, tmp_path / "file").__enter__()


@pytest.mark.parametrize("name", ["../out", "/tmp/out"])
def test_no_file_is_written_outside(tmp_path, home, name):
    path = tmp_path / "evil.nemo"
    with files_of(path) as add:
        add(name, b"x")
    with pytest.raises(ModelDamaged, match="outside"):
        unpacked(path, home).__enter__()
    assert left(home) == []


@pytest.mark.parametrize("mode", ["w", "w:gz"])
def test_a_cut_archive_is_damaged(tmp_path, home, mode):
    path = tmp_path / "cut.nemo"
    with files_of(path, mode) as add:
        add("a", bytes(range(256)) * 400)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(ModelDamaged, match="cannot be read"):
        unpacked(path, home).__enter__()


class Connector:
    model_extracted_dir = None


class Model:
    """Restores as NeMo does, noting where from."""

    def __init__(self):
        self.seen = []

    def restore_from(self, path, *, save_restore_connector, return_config=False, **options):
        folder = save_restore_connector.model_extracted_dir
        text = Path(folder, "model_config.yaml").read_text()
        self.seen.append((folder, text, options))
        return {"text_normalizer": "slow", "a": 1} if return_config else self

    def to(self, device):
        self.device = device
        return self

    def eval(self):
        return self


@pytest.fixture
def nemo(monkeypatch):
    """The modules of NeMo that restoring needs."""
    utils = ModuleType("nemo.utils")
    utils.logging = SimpleNamespace(setLevel=lambda _: None)
    connectors = ModuleType("nemo.core.connectors.save_restore_connector")
    connectors.SaveRestoreConnector = Connector
    for module in (utils, connectors):
        monkeypatch.setitem(sys.modules, module.__name__, module)
    for parent in ("nemo", "nemo.core", "nemo.core.connectors"):
        monkeypatch.setitem(sys.modules, parent, ModuleType(parent))


def test_nemo_restores_from_the_unpacked_folder(archive, home, nemo):
    model = restore(Model(), str(archive), "cpu", home)
    (first, text, _), (second, _, options) = model.seen
    assert first == second == str(home / "models" / FOLDER / "tiny")
    assert text == "a: 1"
    assert options["override_config_path"] == {"a": 1}
    assert left(home) == []


def test_an_archive_without_a_configuration_is_damaged(tmp_path, home, nemo):
    path = tmp_path / "tiny.nemo"
    with files_of(path) as add:
        add("weights", b"x")
    with pytest.raises(ModelDamaged, match="lacks"):
        restore(Model(), str(path), "cpu", home)
    assert left(home) == []
