"""Settings: names, lists, derived values; and that `shared` is ours."""

from pathlib import Path

import shared
from shared.settings import CommonSettings, split_names


def test_shared_is_this_repositorys_package():
    # An unrelated wheel of that name exists; importing it would fail in confusing ways.
    root = Path(__file__).resolve().parents[3]
    assert Path(shared.__file__).resolve() == root / "shared" / "__init__.py"


def test_environment_names(monkeypatch, tmp_path):
    monkeypatch.setenv("VOICEMESH_HOME", str(tmp_path))
    monkeypatch.setenv("API_TOKEN", "a, b,")
    monkeypatch.setenv("DEBUG_MODE", "true")
    monkeypatch.setenv("LOG_LEVEL", "warning")
    settings = CommonSettings()
    assert settings.home == tmp_path
    assert settings.models_dir == tmp_path / "models"
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
