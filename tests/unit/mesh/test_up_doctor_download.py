import os
import signal
import socket
import sys

import pytest

from mesh import checks, ports, services
from mesh.child import ServiceSpec
from mesh.commands import up
from shared.errors import InvalidRequest, ModelDamaged, NotReady

PORTS = {"PORT": "18000", "TTS_PORT": "15000", "STT_PORT": "15001", "AGENT_PORT": "15002"}


@pytest.fixture(autouse=True)
def settings(monkeypatch, tmp_path):
    """Settings of a machine that has none but these."""
    for name in ("TTS_ENGINES", "STT_ENGINES", "LLM_ENGINES", "WHISPER_MODEL", "LLM_GGUF_PATH"):
        monkeypatch.delenv(name, raising=False)
    for name in ("BIND_HOST", "API_HOST", "TTS_URL", "STT_URL", "AGENT_URL"):
        monkeypatch.delenv(name, raising=False)
    for name, value in PORTS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("VOICEMESH_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "root").mkdir()


@pytest.fixture
def taken():
    """A port that this process listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


# --- services -------------------------------------------------------------------------------------


def test_the_four_services_know_each_other(monkeypatch):
    monkeypatch.setenv("API_TOKENS", "t")
    monkeypatch.setenv("BIND_HOST", "0.0.0.0")
    specs = {spec.name: spec for spec in services.local_services()}
    assert list(specs) == ["tts", "stt", "agent", "gateway"]
    assert [spec.port for spec in specs.values()] == [15000, 15001, 15002, 18000]
    environment = specs["gateway"].environment
    assert environment["TTS_URL"] == "http://127.0.0.1:15000"
    assert environment["AGENT_URL"] == "http://127.0.0.1:15002"
    # Only the gateway is reached from elsewhere; it is probed here all the same.
    assert environment["BIND_HOST"] == "0.0.0.0"
    assert specs["tts"].environment["BIND_HOST"] == "127.0.0.1"
    assert specs["gateway"].host == "127.0.0.1"
    assert specs["stt"].command[-1] == "stt_service.app:create_app()"


def test_wrong_settings_are_named(monkeypatch):
    monkeypatch.setenv("TTS_PORT", "many")
    with pytest.raises(InvalidRequest, match="TTS_PORT: Input should be a valid integer"):
        services.local_services()


def test_a_variable_that_sets_nothing_is_an_error():
    with pytest.raises(KeyError):
        services.setting(services.load_settings(services.MEMBERS[0]), "NO_SUCH")


def test_models_follow_the_engines(monkeypatch):
    everything = {"kokoro", "kokoro-voices", "resemblyzer", "whisper-base", "smollm2"}
    assert set(services.configured_models()) == everything
    monkeypatch.setenv("TTS_ENGINES", "hibari")
    monkeypatch.setenv("LLM_ENGINES", "ollama")
    assert services.configured_models() == ["whisper-base"]
    monkeypatch.setenv("WHISPER_MODEL", "large-v3")
    assert services.configured_models() == ["Systran/faster-whisper-large-v3"]


# --- ports ----------------------------------------------------------------------------------------


def test_ports_tell_who_has_them(taken):
    assert not ports.is_free(taken)
    assert f"(pid {os.getpid()})" in ports.holder(taken)
    assert ports.holder(1) == "another program"


# --- up -------------------------------------------------------------------------------------------

LIVES = "import time; print('[1] [ERROR] a worker died', flush=True); time.sleep(60)"


@pytest.fixture
def tiny_mesh(monkeypatch, tmp_path):
    """``mesh up`` with sleeping programs for services, and no models to prepare."""
    specs = [
        ServiceSpec(name, (sys.executable, "-c", LIVES), number, ready_path="")
        for number, name in enumerate(("tts", "gateway"), start=41000)
    ]
    prepared = []
    monkeypatch.setattr(services, "local_services", lambda: specs)
    monkeypatch.setattr("mesh.commands.download.prepare", lambda *a: prepared.append(a[0]))
    monkeypatch.setattr(ports, "is_free", lambda *_: True)
    kept = {n: signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    yield prepared
    for number, handler in kept.items():
        signal.signal(number, handler)


def test_up_runs_until_it_is_interrupted(mesh, tiny_mesh, monkeypatch):
    ready_line = up.ready_line

    def interrupt(specs, seconds):
        os.kill(os.getpid(), signal.SIGINT)
        return ready_line(specs, seconds)

    monkeypatch.setattr(up, "ready_line", interrupt)
    result = mesh("up")
    assert result.exit_code == 0, result.output
    assert "starting tts, gateway" in result.output
    assert "s: http://127.0.0.1:41001 (page, API; reference at /docs)  tts :41000" in result.output
    assert result.output.endswith("stopped\n")
    assert tiny_mesh == [services.configured_models()]


def test_up_takes_ports_from_its_options_and_names_who_has_one(mesh, taken):
    result = mesh("up", "--tts-port", str(taken))
    assert result.exit_code == 1
    assert f"port {taken} of tts is taken by" in result.output
    assert "--tts-port" in result.output
    assert os.environ["TTS_PORT"] == str(taken)


def test_up_says_which_setting_is_wrong(mesh):
    result = mesh("up", "--host", "0.0.0.0")
    assert result.exit_code == 1
    assert "API_TOKENS" in result.output


def test_a_second_signal_hurries(tiny_mesh, tmp_path):
    from rich.console import Console

    from mesh.supervisor import Supervisor

    supervisor = Supervisor([], folder=tmp_path, logs=tmp_path, tell=lambda *_: None)
    with (tmp_path / "out").open("w") as out:
        up._obey_signals(supervisor, Console(file=out))
        os.kill(os.getpid(), signal.SIGTERM)
        assert supervisor.stop.is_set()
        assert not supervisor.hurry.is_set()
        os.kill(os.getpid(), signal.SIGTERM)
    assert supervisor.hurry.is_set()


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ('{"level": "INFO", "message": "a"}', ""),
        ('{"level": "WARNING", "message": "a", "reason": "b"}', "a: b"),
        ('{"level": "ERROR", "message": "a"}', "a"),
        ("[2026-01-01] [7] [ERROR] Worker exited", "Worker exited"),
        ("Traceback (most recent call last):", ""),
        ("[]", ""),
    ],
)
def test_the_console_shows_what_matters(line, shown):
    assert up.worth_showing(line) == shown


def test_the_ready_line_writes_ipv6_as_urls_do():
    line = up.ready_line([ServiceSpec("gateway", (), 8000, "::1")], 1.25)
    assert "ready in 1.2 s: http://[::1]:8000" in line


# --- doctor ---------------------------------------------------------------------------------------


def test_the_doctor_finds_missing_models_and_the_command(mesh):
    result = mesh("doctor")
    assert result.exit_code == 1
    assert "!!  model whisper-base" in result.output
    assert "→ mesh download whisper-base" in result.output
    assert "ok  python" in result.output
    assert "problems" in result.output


def test_a_healthy_machine_is_told_so(mesh, monkeypatch):
    monkeypatch.setattr(checks, "_models", lambda *_: iter(()))
    monkeypatch.setattr(checks, "_disk", lambda *_: checks.Finding("disk", "ok", "plenty"))
    monkeypatch.setattr(checks, "_port", lambda spec: checks.Finding("port", "ok", "free"))
    result = mesh("doctor")
    assert result.exit_code == 0, result.output
    assert "all is well" in result.output


def test_wrong_settings_come_first(mesh, monkeypatch):
    monkeypatch.setenv("PORT", "0")
    result = mesh("doctor")
    assert result.exit_code == 1
    assert "PORT: Input should be greater than or equal to 1" in result.output


def test_engines_that_are_unknown_or_not_installed(monkeypatch):
    monkeypatch.setenv("TTS_ENGINES", "hibari,sing")
    monkeypatch.setattr("shared.engines.find_spec", lambda _: None)
    hibari, sing = checks._engines(services.MEMBERS[0])
    assert hibari.verdict == sing.verdict == "problem"
    assert "hibari" in hibari.text
    assert ".[hibari]" in hibari.fix
    assert "kokoro" in sing.text


def test_ports_of_the_doctor(taken, monkeypatch):
    spec = ServiceSpec("tts", (), taken)
    monkeypatch.setattr(checks, "is_ready", lambda _: (False, "no answer yet"))
    finding = checks._port(spec)
    assert finding.verdict == "problem"
    assert "TTS_PORT" in finding.fix
    monkeypatch.setattr(checks, "is_ready", lambda _: (False, "kokoro: failed"))
    assert "kokoro: failed" in checks._port(spec).text
    monkeypatch.setattr(checks, "is_ready", lambda _: (True, ""))
    assert checks._port(spec).verdict == "ok"


def test_caches_of_the_doctor(monkeypatch):
    assert [finding.text for finding in checks._caches()] == ["none", "disk"]
    monkeypatch.setenv("CACHE_URL", "tape:")
    monkeypatch.setenv("VOICE_CACHE_URL", "redis://:secret@host/0")
    monkeypatch.setattr("shared.caches.find_spec", lambda _: None)
    unknown, missing = checks._caches()
    assert unknown.verdict == missing.verdict == "problem"
    assert "disk:" in unknown.text
    assert missing.fix.endswith("-m pip install -e '.[cache-redis]'")
    assert "secret" not in missing.text + missing.fix


def test_too_little_disk_is_a_problem(monkeypatch, tmp_path):
    monkeypatch.setattr(checks.shutil, "disk_usage", lambda _: type("U", (), {"free": 1 << 20})())
    finding = checks._disk(["whisper-base"], tmp_path / "not" / "yet")
    assert finding.verdict == "problem"
    assert "VOICEMESH_HOME" in finding.fix


def test_a_gpu_is_named(monkeypatch, tmp_path):
    program = tmp_path / "nvidia-smi"
    program.write_text("#!/bin/sh\necho 'NVIDIA H200, 143771 MiB'\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "H200" in checks._gpu().text
    program.write_text("#!/bin/sh\nexit 9\n")
    assert "fails" in checks._gpu().text
    program.unlink()
    assert "none found" in checks._gpu().text


def test_an_ollama_that_answers_is_named(gateway, monkeypatch):
    monkeypatch.setenv("LLAMA_ENDPOINT", gateway.url.removeprefix("http://"))
    assert "answers at" in checks._ollama().text
    monkeypatch.setenv("LLAMA_ENDPOINT", "http://127.0.0.1:9")
    assert "next engine" in checks._ollama().text


# --- download -------------------------------------------------------------------------------------


@pytest.fixture
def prepared(monkeypatch):
    """Notes what is asked for; ``answers`` gives the results."""
    calls = []
    answers = {}

    def prepare_all(names, home, progress, **options):
        calls.append((list(names), options))
        for name in names:
            progress(name, "fetching x", 1, 2)
            progress(name, "fetching x", 2, 2)
        return {name: answers.get(name, home) for name in names}

    monkeypatch.setattr("shared.models.prepare_all", prepare_all)
    return calls, answers


def test_download_prepares_what_the_engines_need(mesh, prepared, monkeypatch):
    calls, _ = prepared
    monkeypatch.setenv("TTS_ENGINES", "hibari")
    result = mesh("download")
    assert result.exit_code == 0, result.output
    options = {"offline": False, "wheels": None, "consents": []}
    assert calls == [(["whisper-base", "smollm2"], options)]
    # Into a log, each step is one line.
    assert result.output.count("smollm2: fetching x") == 1


def test_download_passes_its_settings_on(mesh, prepared, monkeypatch, tmp_path):
    calls, _ = prepared
    monkeypatch.setenv("MESH_OFFLINE", "1")
    monkeypatch.setenv("MESH_WHEELS", str(tmp_path))
    assert mesh("download", "kokoro").exit_code == 0
    assert mesh("download", "--all").exit_code == 0
    assert calls[0] == (["kokoro"], {"offline": True, "wheels": tmp_path, "consents": []})
    assert len(calls[1][0]) == 5


def test_download_says_what_failed(mesh, prepared):
    _, answers = prepared
    answers.update(kokoro=NotReady("no network"), smollm2=ModelDamaged("wrong checksum"))
    result = mesh("download", "kokoro", "smollm2", "resemblyzer")
    assert result.exit_code == 1
    assert "no network\nwrong checksum" in result.output


def test_engines_with_models_of_the_hub(mesh, prepared, monkeypatch, tmp_path):
    calls, _ = prepared
    own = tmp_path / "own.nemo"
    own.touch()
    monkeypatch.setenv("TTS_ENGINES", "xtts,nemo")
    monkeypatch.setenv("NEMO_TTS_VOCODER", str(own))
    monkeypatch.setenv("STT_ENGINES", "whisper")
    monkeypatch.setenv("WHISPER_MODEL", "large-v3")
    monkeypatch.setenv("LLM_ENGINES", "ollama")
    monkeypatch.setenv("COQUI_TOS_AGREED", "1")
    assert mesh("download").exit_code == 0
    names, options = calls[0]
    assert names == [
        "coqui/XTTS-v2",
        "nvidia/tts_en_fastpitch",
        "Systran/faster-whisper-large-v3",
    ]
    assert options["consents"] == ["COQUI_TOS_AGREED"]
    monkeypatch.setenv("WHISPER_MODEL", str(tmp_path))
    assert mesh("download").exit_code == 0
    assert calls[1][0] == names[:2]


def test_a_licence_is_accepted_by_the_person_only(mesh):
    result = mesh("download", "coqui/XTTS-v2")
    assert result.exit_code == 1
    assert "no commercial use" in " ".join(result.output.split())
    assert "COQUI_TOS_AGREED=1 mesh download coqui/XTTS-v2" in " ".join(result.output.split())


def test_the_doctor_names_the_command_of_a_hub_model(tmp_path):
    (finding,) = checks._models(["coqui/XTTS-v2"], tmp_path)
    assert finding.verdict == "problem"
    assert finding.fix == "COQUI_TOS_AGREED=1 mesh download coqui/XTTS-v2"
    assert checks._disk(["coqui/XTTS-v2"], tmp_path).subject == "disk"


def test_an_unknown_model_is_refused(mesh):
    result = mesh("download", "gpt")
    assert result.exit_code == 1
    assert "no model 'gpt'" in result.output


def test_the_catalogue_is_listed_with_its_licences(mesh, monkeypatch):
    states = {"kokoro": None, "smollm2": NotReady("is damaged (x)")}

    def locate(name, _home):
        if error := states.get(name, NotReady("is not prepared")):
            raise error
        return name

    monkeypatch.setattr("shared.models.locate", locate)
    result = mesh("download", "--list")
    lines = {line.split()[0]: line for line in result.output.splitlines()}
    assert "Apache-2.0" in lines["kokoro"]
    assert lines["kokoro"].rstrip().endswith("prepared")
    assert lines["smollm2"].rstrip().endswith("damaged")
    assert lines["whisper-base"].rstrip().endswith("not prepared")
    assert "CPML" in lines["coqui/XTTS-v2"]
    assert " no " in lines["coqui/XTTS-v2"]
    assert "CC-BY-4.0" in lines["nvidia/parakeet-tdt-1.1b"]


def test_progress_on_a_terminal_is_a_bar(tmp_path):
    from rich.console import Console

    from mesh.display import ModelProgress

    with (tmp_path / "out").open("w") as out:
        console = Console(file=out, force_terminal=True, width=100)
        with ModelProgress(console) as progress:
            progress("kokoro", "fetching a", 500, 1000)
            progress("kokoro", "ready", 1000, 1000)
    assert "kokoro" in (tmp_path / "out").read_text()
