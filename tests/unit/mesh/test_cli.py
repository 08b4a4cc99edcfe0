import subprocess
import sys

import pytest

from mesh.cli import COMMANDS, describe
from mesh.connection import Connection
from mesh.conversation import Conversation
from mesh.environment import gateway_url, is_offline, token_of, variables
from shared.core.errors import MeshError, Overloaded, UnknownVoice


def test_help_lists_every_command(mesh):
    result = mesh("--help")
    assert result.exit_code == 0
    for name in COMMANDS:
        assert f"  {name} " in result.output


def test_the_start_loads_no_heavy_library():
    program = (
        "import sys, mesh.cli; mesh.cli.group.main(['--help'], standalone_mode=False);"
        "print({'rich', 'requests', 'pydantic', 'numpy', 'flask', 'websocket'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "set()"


def test_an_unknown_command_is_refused(mesh):
    assert mesh("sing").exit_code == 2


def test_no_mesh_names_the_command_that_starts_one(mesh):
    result = mesh("voices", "--url", "http://127.0.0.1:9")
    assert result.exit_code == 1
    assert "mesh up" in result.output
    assert "Traceback" not in result.output


@pytest.mark.parametrize("url", ["nonsense", "ftp://x", "http://"])
def test_a_bad_url_is_refused(mesh, url):
    result = mesh("voices", "--url", url)
    assert result.exit_code == 2
    assert "no http URL" in result.output


def test_what_nobody_expected_is_one_line(mesh, monkeypatch):
    monkeypatch.setattr("mesh.connection.variables", lambda: 1 / 0)
    result = mesh("voices")
    assert result.exit_code == 1
    assert result.output.startswith("Error: ZeroDivisionError")
    monkeypatch.setenv("MESH_DEBUG", "1")
    assert isinstance(mesh("voices").exception, ZeroDivisionError)


def test_the_token_comes_from_the_option_or_the_environment(mesh, gateway, monkeypatch):
    gateway.token = "s3cret"
    result = mesh("voices")
    assert result.exit_code == 1
    assert "bearer token" in result.output
    assert mesh("voices", "--token", "s3cret").exit_code == 0
    monkeypatch.setenv("API_TOKENS", "s3cret, other")
    assert mesh("voices").exit_code == 0


def test_a_netrc_entry_does_not_replace_the_token(mesh, gateway, monkeypatch, tmp_path):
    gateway.token = "s3cret"
    netrc = tmp_path / "netrc"
    netrc.write_text("default login somebody password wrong")
    monkeypatch.setenv("NETRC", str(netrc))
    assert mesh("voices", "--token", "s3cret").exit_code == 0


def test_a_proxy_is_not_used_for_this_machine(mesh, monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    assert mesh("voices").exit_code == 0


def test_a_proxy_is_not_used_for_a_conversation_on_this_machine(gateway, monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("no_proxy", "elsewhere.example")
    with Conversation(Connection(gateway.url, None)) as conversation:
        assert conversation.ask(b"sound", lambda *_: None)[:4] == b"RIFF"


def test_errors_are_described_with_what_helps():
    error = UnknownVoice("no such voice", param="voice", details={"available": list("abc")})
    assert describe(error) == "no such voice (field: voice)\nThere is: a, b, c"
    many = UnknownVoice("no", details={"available": [f"v{n}" for n in range(70)]})
    assert describe(many).endswith("v59 and 10 more")
    assert describe(Overloaded("busy", retry_after=3)) == "busy\nTry again in 3 s."
    broken = MeshError("broken", details={"request_id": "req_7"})
    assert describe(broken) == "broken\nIn the logs under req_7."


def test_the_environment_goes_before_the_env_file(tmp_path, monkeypatch):
    (tmp_path / ".env").write_text("PORT=9000\nAPI_TOKENS=a,b\nMESH_OFFLINE=\n")
    known = variables(tmp_path)
    assert gateway_url(known) == "http://127.0.0.1:9000"
    assert token_of(known) == "a"
    assert not is_offline(known)
    monkeypatch.setenv("PORT", "9001")
    monkeypatch.setenv("MESH_OFFLINE", "yes")
    known = variables(tmp_path)
    assert gateway_url(known) == "http://127.0.0.1:9001"
    assert is_offline(known)
    monkeypatch.setenv("MESH_URL", "http://elsewhere/")
    assert gateway_url(variables(tmp_path)) == "http://elsewhere"
    assert gateway_url({}) == "http://127.0.0.1:8000"
    assert token_of({}) is None
