import os
import signal
import socket
import sys

import pytest

from mesh import doctor_checks
from mesh.commands import up
from mesh.processes import ports, services
from mesh.processes.child import ServiceSpec
from shared.core.errors import InvalidRequest

pytestmark = pytest.mark.usefixtures("bare_settings")


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
    assert specs["stt"].command[-1] == "stt_service.app:create_server()"


def test_another_port_takes_the_others_along(monkeypatch, tmp_path):
    for name in ("TTS_PORT", "STT_PORT", "AGENT_PORT"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("VOICEMESH_HOME", str(tmp_path))
    monkeypatch.setenv("PORT", "9200")
    specs = services.local_services()
    assert [spec.port for spec in specs] == [9201, 9202, 9203, 9200]
    assert {spec.environment["VOICEMESH_STATE"] for spec in specs} == {str(tmp_path / "mesh-9200")}
    monkeypatch.setenv("STT_PORT", "7000")
    monkeypatch.setenv("VOICEMESH_STATE", str(tmp_path / "mine"))
    specs = services.local_services()
    assert [spec.port for spec in specs] == [9201, 7000, 9203, 9200]
    assert specs[0].environment["VOICEMESH_STATE"] == str(tmp_path / "mine")
    monkeypatch.setenv("PORT", "8000")
    monkeypatch.delenv("VOICEMESH_STATE")
    specs = services.local_services()
    assert [spec.port for spec in specs] == [5000, 7000, 5002, 8000]
    assert specs[0].environment["VOICEMESH_STATE"] == str(tmp_path)


def test_a_port_that_leaves_no_room_is_an_error(monkeypatch):
    monkeypatch.delenv("AGENT_PORT")
    monkeypatch.setenv("PORT", "65533")
    with pytest.raises(InvalidRequest, match="leaves no port for agent: set AGENT_PORT"):
        services.local_services()


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

    from mesh.processes.supervisor import Supervisor

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
    monkeypatch.setattr(doctor_checks, "_models", lambda *_: iter(()))
    monkeypatch.setattr(
        doctor_checks, "_disk", lambda *_: doctor_checks.Finding("disk", "ok", "plenty")
    )
    monkeypatch.setattr(
        doctor_checks, "_port", lambda spec: doctor_checks.Finding("port", "ok", "free")
    )
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
    monkeypatch.setattr("shared.engines.registry.find_spec", lambda _: None)
    hibari, sing = doctor_checks._engines(services.MEMBERS[0])
    assert hibari.verdict == sing.verdict == "problem"
    assert "hibari" in hibari.text
    assert ".[hibari]" in hibari.fix
    assert "kokoro" in sing.text


def test_an_engine_without_wheels_for_this_python_is_said(monkeypatch):
    monkeypatch.setenv("TTS_ENGINES", "nemo")
    monkeypatch.setattr("shared.engines.registry.find_spec", lambda _: None)
    monkeypatch.setattr(doctor_checks.sys, "version_info", (3, 13, 0))
    (nemo,) = doctor_checks._engines(services.MEMBERS[0])
    assert "no wheel for a Python above 3.12" in nemo.text
    assert nemo.fix == "PYTHON=python3.12 scripts/setup_engines.sh"


@pytest.mark.parametrize(("version", "verdict"), [((3, 14, 2), "ok"), ((3, 15, 0), "note")])
def test_a_python_that_is_newer_than_the_tests_is_noted(monkeypatch, version, verdict):
    monkeypatch.setattr(doctor_checks.sys, "version_info", version)
    assert doctor_checks._python().verdict == verdict


def test_a_library_that_the_language_model_needs_is_looked_for(monkeypatch):
    monkeypatch.setattr(doctor_checks, "find_library", lambda name: None)
    (finding,) = doctor_checks._libgomp()
    assert finding.verdict == "problem"
    assert finding.fix == "sudo apt install libgomp1"
    monkeypatch.setenv("LLM_ENGINES", "ollama")
    assert not list(doctor_checks._libgomp())


def test_ports_of_the_doctor(taken, monkeypatch):
    spec = ServiceSpec("tts", (), taken)
    monkeypatch.setattr(doctor_checks, "is_ready", lambda _: (False, "no answer yet"))
    finding = doctor_checks._port(spec)
    assert finding.verdict == "problem"
    assert "TTS_PORT" in finding.fix
    monkeypatch.setattr(doctor_checks, "is_ready", lambda _: (False, "kokoro: failed"))
    assert "kokoro: failed" in doctor_checks._port(spec).text
    monkeypatch.setattr(doctor_checks, "is_ready", lambda _: (True, ""))
    assert doctor_checks._port(spec).verdict == "ok"


def test_caches_of_the_doctor(monkeypatch):
    assert [finding.text for finding in doctor_checks._caches()] == ["none", "disk"]
    monkeypatch.setenv("CACHE_URL", "tape:")
    monkeypatch.setenv("VOICE_CACHE_URL", "redis://:secret@host/0")
    monkeypatch.setattr("shared.cache.find_spec", lambda name: None if name == "redis" else name)
    unknown, missing = doctor_checks._caches()
    assert unknown.verdict == missing.verdict == "problem"
    assert "disk:" in unknown.text
    assert missing.fix.endswith("-m pip install -e '.[cache-redis]'")
    assert "secret" not in missing.text + missing.fix


def test_too_little_disk_is_a_problem(monkeypatch, tmp_path):
    monkeypatch.setattr(
        doctor_checks.shutil, "disk_usage", lambda _: type("U", (), {"free": 1 << 20})()
    )
    finding = doctor_checks._disk(["whisper-base"], tmp_path / "not" / "yet")
    assert finding.verdict == "problem"
    assert "VOICEMESH_HOME" in finding.fix


def test_models_that_are_still_to_come_need_room(monkeypatch, tmp_path):
    free = (doctor_checks._SPARE_MIB + 1) << 20
    monkeypatch.setattr(doctor_checks.shutil, "disk_usage", lambda _: type("U", (), {"free": free}))
    assert doctor_checks._disk([], tmp_path).verdict == "ok"
    assert doctor_checks._disk(["whisper-base"], tmp_path).verdict == "problem"


def test_a_gpu_is_named(monkeypatch, tmp_path):
    program = tmp_path / "nvidia-smi"
    program.write_text("#!/bin/sh\necho 'NVIDIA H200, 143771 MiB'\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "H200" in doctor_checks._gpu().text
    program.write_text("#!/bin/sh\nexit 9\n")
    assert "fails" in doctor_checks._gpu().text
    program.unlink()
    assert "none found" in doctor_checks._gpu().text


def test_an_ollama_that_answers_is_named(gateway, monkeypatch):
    monkeypatch.setenv("LLAMA_ENDPOINT", gateway.url.removeprefix("http://"))
    assert "answers at" in doctor_checks._ollama().text
    monkeypatch.setenv("LLAMA_ENDPOINT", "http://127.0.0.1:9")
    assert "next engine" in doctor_checks._ollama().text
