"""Who may import a model library by a name in a string, which import-linter cannot see."""

import ast
import tomllib

from tests.conftest import REPOSITORY

PACKAGES = ("shared", "gateway", "tts_service", "stt_service", "voice_agent", "mesh")
ALLOWED = {
    # Only what an engine has chosen and loaded: the library's own faults and file formats.
    ("shared/engines/device.py", "torch"),
    ("shared/models/hub/nemo_archive.py", "nemo"),
}


def model_libraries():
    settings = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["tool"]["importlinter"]
    (contract,) = [c for c in settings["contracts"] if "model libraries" in c["name"]]
    return set(contract["forbidden_modules"])


def imported_by_name(source):
    """Top-level packages that a module's text imports through a call with a constant name."""
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call) or not node.args:
            continue
        called = ast.unparse(node.func).rpartition(".")[2]
        first = node.args[0]
        if called in ("import_module", "__import__") and isinstance(first, ast.Constant):
            yield str(first.value).partition(".")[0]


def test_only_these_name_a_model_library():
    libraries = model_libraries()
    found = {
        (path.relative_to(REPOSITORY).as_posix(), name)
        for package in PACKAGES
        for path in (REPOSITORY / package).rglob("*.py")
        if package == "shared" or not {"engines", "llm"} & set(path.relative_to(REPOSITORY).parts)
        for name in imported_by_name(path.read_text("utf-8"))
        if name in libraries
    }
    assert found == ALLOWED
