"""Settings: names, lists, derived values; and that `shared` is ours."""

from pathlib import Path

import pytest
from pydantic import ValidationError

import shared
from gateway.settings import GatewaySettings
from shared.core.settings import CommonSettings, is_loopback, split_names
from stt_service.settings import SttSettings
from tts_service.settings import TtsSettings
from voice_agent.settings import AgentSettings


def test_shared_is_this_repositorys_package():
    # An unrelated wheel of that name exists; importing it would fail in confusing ways.
    root = Path(__file__).resolve().parents[4]
    assert Path(shared.__file__).resolve() == root / "shared" / "__init__.py"


def test_environment_names(monkeypatch, tmp_path):
    monkeypatch.setenv("VOICEMESH_HOME", str(tmp_path))
    monkeypatch.setenv("API_TOKEN", "a, b,")
    monkeypatch.setenv("DEBUG_MODE", "true")
    monkeypatch.setenv("LOG_LEVEL", "warning")
    settings = CommonSettings()
    assert settings.home == tmp_path
    assert settings.api_tokens == {"a", "b"}
    assert settings.effective_log_level == "DEBUG"


def test_home_is_absolute_and_expanded(monkeypatch):
    monkeypatch.delenv("VOICEMESH_HOME", raising=False)
    assert CommonSettings().home.is_absolute()
    assert "~" not in str(CommonSettings().home)


def test_log_level_without_debug(monkeypatch):
    monkeypatch.delenv("DEBUG_MODE", raising=False)
    assert CommonSettings(log_level="warning").effective_log_level == "WARNING"


def test_split_names():
    assert split_names("a, b,,c ") == ("a", "b", "c")
    assert split_names(("a",)) == ("a",)


def test_loopback():
    assert is_loopback("127.0.0.5")
    assert is_loopback("localhost")
    assert is_loopback("[::1]")
    assert not is_loopback("0.0.0.0")
    assert not is_loopback("example")


@pytest.mark.parametrize("cls", [GatewaySettings, TtsSettings, SttSettings, AgentSettings])
def test_listening_beyond_loopback_needs_a_token(cls):
    with pytest.raises(ValidationError, match="API_TOKENS"):
        cls(_env_file=None, bind_host="0.0.0.0")
    cls(_env_file=None, bind_host="0.0.0.0", api_tokens="t")
    cls(_env_file=None, bind_host="0.0.0.0", allow_open_access=True)


def test_in_a_container_it_is_the_published_address_that_counts():
    GatewaySettings(_env_file=None, bind_host="0.0.0.0", published_host="127.0.0.1")
    with pytest.raises(ValidationError, match=r"BIND_HOST=0\.0\.0\.0 needs API_TOKENS"):
        GatewaySettings(_env_file=None, bind_host="0.0.0.0", published_host="0.0.0.0")


def test_commands_that_do_not_listen_do_not_ask_for_a_token():
    assert CommonSettings(_env_file=None, bind_host="0.0.0.0").bind_host == "0.0.0.0"


def test_tokens_keep_their_order_so_that_all_services_agree_on_their_own():
    names = [f"token-{number}" for number in range(50)]
    settings = CommonSettings(_env_file=None, api_tokens=",".join([*names, names[3]]))
    assert list(settings.api_tokens) == names
    assert settings.own_token == names[0]
    assert CommonSettings(_env_file=None, api_tokens=("b", "a")).own_token == "b"
    assert CommonSettings(_env_file=None).own_token is None


@pytest.mark.parametrize("cls", [GatewaySettings, TtsSettings])
def test_tokens_for_the_defaults_must_be_accepted_at_all(cls):
    both = cls(_env_file=None, api_tokens="mesh,admin,user", config_tokens="admin, mesh")
    assert both.config_tokens == {"mesh", "admin"}
    for accepted in ("mesh", ""):
        with pytest.raises(ValidationError, match="CONFIG_TOKENS"):
            cls(_env_file=None, api_tokens=accepted, config_tokens="admin")


def test_an_error_does_not_quote_the_tokens():
    with pytest.raises(ValidationError) as caught:
        TtsSettings(_env_file=None, api_tokens="s3cret", config_tokens="0ther", tts_port="x")
    assert "s3cret" not in str(caught.value)
    with pytest.raises(ValidationError) as caught:
        TtsSettings(_env_file=None, api_tokens="s3cret", config_tokens="0ther")
    assert "0ther" not in str(caught.value)
    with pytest.raises(ValidationError, match="tokens must be text"):
        TtsSettings(_env_file=None, api_tokens=7)
