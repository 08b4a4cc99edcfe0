"""`mesh download`: which models, from where, and what is said meanwhile."""

from types import SimpleNamespace

import pytest

from mesh import doctor_checks
from shared.core.errors import ModelDamaged, NotReady

pytestmark = pytest.mark.usefixtures("bare_settings")


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


@pytest.fixture
def pauses(monkeypatch):
    """The pauses that ``mesh download`` would make."""
    made = []
    monkeypatch.setattr("mesh.commands.download.time.sleep", made.append)
    return made


def test_a_network_that_is_away_is_waited_for(mesh, prepared, pauses):
    calls, answers = prepared
    answers["kokoro"] = NotReady("no hub", code="hub_unreachable")

    def back(seconds):
        pauses.append(seconds)
        if len(pauses) == 10:
            answers.clear()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("mesh.commands.download.time.sleep", back)
        result = mesh("download", "--keep-trying", "kokoro", "smollm2")
    assert result.exit_code == 0, result.output
    assert pauses == [5, 10, 20, 40, 80, 160, 320, 600, 600, 600]
    assert [names for names, _ in calls] == [["kokoro", "smollm2"], *([["kokoro"]] * 10)]
    assert "no hub\ntrying again in 5 s" in result.output


def test_after_a_download_that_went_on_for_long_the_pauses_are_short_again(
    mesh, prepared, pauses, monkeypatch
):
    _, answers = prepared
    answers["kokoro"] = NotReady("no hub", code="hub_unreachable")
    # The fourth attempt brings half of the model before the network fails again.
    readings = iter([0, 1, 0, 1, 0, 1, 0, 2000, 0, 1, 0])

    def pause(seconds):
        pauses.append(seconds)
        if len(pauses) == 5:
            answers.clear()

    clock = SimpleNamespace(monotonic=lambda: next(readings), sleep=pause)
    monkeypatch.setattr("mesh.commands.download.time", clock)
    result = mesh("download", "--keep-trying", "kokoro")
    assert result.exit_code == 0, result.output
    assert pauses == [5, 10, 20, 5, 10]


def test_what_a_person_must_decide_is_not_waited_for(mesh, prepared, pauses):
    _, answers = prepared
    answers["kokoro"] = NotReady("no hub", code="hub_unreachable")
    answers["smollm2"] = NotReady("is gated", code="model_gated")
    result = mesh("download", "--keep-trying", "kokoro", "smollm2")
    assert result.exit_code == 1
    assert "no hub\nis gated" in result.output
    assert pauses == []


def test_a_person_at_the_keyboard_is_told_at_once(mesh, prepared, pauses):
    _, answers = prepared
    answers["kokoro"] = NotReady("no hub", code="hub_unreachable")
    assert mesh("download", "kokoro").exit_code == 1
    assert pauses == []


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
    (finding,) = doctor_checks._models(["coqui/XTTS-v2"], tmp_path)
    assert finding.verdict == "problem"
    assert finding.fix == "COQUI_TOS_AGREED=1 mesh download coqui/XTTS-v2"
    assert doctor_checks._disk(["coqui/XTTS-v2"], tmp_path).subject == "disk"


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


def test_progress_off_a_terminal_says_how_much_now_and_then(tmp_path, monkeypatch):
    from rich.console import Console

    from mesh import display

    clock = iter(range(0, 1000, 4))
    monkeypatch.setattr(display.time, "monotonic", lambda: float(next(clock)))
    with (tmp_path / "out").open("w") as out, display.ModelProgress(Console(file=out)) as progress:
        progress("a/b", "asking the hub", 0, 0)
        progress("a/b", "asking the hub", 0, 0)
        for done in range(0, 1000, 100):
            progress("a/b", "fetching x", done * 10**6, 1000 * 10**6)
        progress("a/b", "ready", 10**9, 10**9)
    assert (tmp_path / "out").read_text().splitlines() == [
        "a/b: asking the hub",
        "a/b: fetching x",
        "a/b: fetching x, 40 % of 1000 MB",
        "a/b: fetching x, 80 % of 1000 MB",
        "a/b: ready",
    ]
