"""Models that live on a model hub: which files are needed of each, and what their licence allows.

Their weights cannot be pinned here as those of :mod:`shared.models.catalogue` are: what the hub's
client says of a file, its digest above all, is what a download is checked against.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from shared.core.errors import UnknownModel

COQUI_CONSENT = "COQUI_TOS_AGREED"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,95}/[A-Za-z0-9][A-Za-z0-9._-]{0,95}")


@dataclass(frozen=True, slots=True)
class HubModel:
    """A repository on the hub.

    Attributes:
        repo_id: ``organisation/name``, as the hub's client takes it.
        title: for people.
        licence: SPDX identifier, or the licence's usual name.
        commercial_use: whether that licence allows it; False where it is not known.
        files: names or patterns (``fnmatch``) of the files that are needed; each matches at least
            one.
        optional: the same, of files that only some versions have.
        consent: the variable with which a person accepts the licence; empty where the licence asks
            for none.
    """

    repo_id: str
    title: str
    licence: str
    commercial_use: bool
    files: tuple[str, ...]
    optional: tuple[str, ...] = ()
    consent: str = ""

    @property
    def command(self) -> str:
        """What a person types to have it prepared."""
        given = f"{self.consent}=1 " if self.consent else ""
        return f"{given}mesh download {self.repo_id}"


_SIZES = (
    "tiny", "tiny.en", "base", "base.en", "small", "small.en", "medium", "medium.en", "large-v1",
    "large-v2", "large-v3",
)  # fmt: skip
_DISTILLED = ("small.en", "medium.en", "large-v2", "large-v3")
WHISPER_REPOSITORIES = {
    **{size: f"Systran/faster-whisper-{size}" for size in _SIZES},
    "large": "Systran/faster-whisper-large-v3",
    **{f"distil-{size}": f"Systran/faster-distil-whisper-{size}" for size in _DISTILLED},
    "distil-large-v3.5": "distil-whisper/distil-large-v3.5-ct2",
    "large-v3-turbo": "mobiuslabsgmbh/faster-whisper-large-v3-turbo",
    "turbo": "mobiuslabsgmbh/faster-whisper-large-v3-turbo",
}
"""The names that faster-whisper 1.2 knows, and what it loads for each."""


def is_hub_name(name: str) -> bool:
    """Whether ``name`` has the form ``organisation/name`` that only the hub's models have."""
    return _NAME.fullmatch(name) is not None and ".." not in name


def _nemo(name: str, title: str) -> HubModel:
    return HubModel(f"nvidia/{name}", title, "CC-BY-4.0", True, (f"{name}.nemo",))


def _xtts(repo_id: str, title: str) -> HubModel:
    # The licence covers what is made of the weights too.
    return HubModel(
        repo_id,
        title,
        "Coqui Public Model License (CPML)",
        False,
        ("config.json", "model.pth", "vocab.json"),
        optional=("speakers_xtts.pth",),
        consent=COQUI_CONSENT,
    )


def _whisper(repo_id: str, size: str) -> HubModel:
    return HubModel(
        repo_id,
        f"Whisper {size} (CTranslate2)",
        "MIT",
        True,
        ("model.bin", "config.json", "tokenizer.json", "vocabulary.*"),
        optional=("preprocessor_config.json",),
    )


HUB: dict[str, HubModel] = {
    model.repo_id: model
    for model in (
        _nemo("tts_en_fastpitch", "FastPitch, English"),
        _nemo("tts_hifigan", "HiFiGAN, the vocoder of FastPitch"),
        _nemo("parakeet-tdt-1.1b", "Parakeet-TDT 1.1B, English"),
        _nemo("parakeet-tdt-0.6b-v3", "Parakeet-TDT 0.6B v3, 25 languages, punctuation"),
        _xtts("coqui/XTTS-v2", "XTTS-v2, voice cloning in 17 languages"),
        # Reversed: of two names for one, the first is its title.
        *(_whisper(repo_id, name) for name, repo_id in reversed(WHISPER_REPOSITORIES.items())),
    )
}
"""Models whose licence is known. Others of the same kinds are taken too: :func:`hub_model`."""


def hub_model(repo_id: str) -> HubModel:
    """What is needed of ``repo_id``, also where it is not in :data:`HUB`.

    Repositories of CTranslate2 Whisper weights and of XTTS go by their names; any other is taken
    for a NeMo model, whose archive is named after its repository.

    Raises:
        UnknownModel: not a name of the form ``organisation/name``.
    """
    if repo_id in HUB:
        return HUB[repo_id]
    if not is_hub_name(repo_id):
        raise UnknownModel("a model of the hub is named organisation/name")
    name = repo_id.partition("/")[2]
    if "xtts" in name.lower():
        return _xtts(repo_id, name)
    if "whisper" in repo_id.lower():
        known = _whisper(repo_id, name)
        return replace(known, title=name, licence="see its page", commercial_use=False)
    return HubModel(repo_id, name, "see its page", False, (f"{name}.nemo",))


def licence_of(*names: str) -> tuple[str, bool]:
    """The licence of weights that are used together, and whether all may be used commercially.

    Args:
        names: on the hub, or paths of one's own files, whose licence nobody here knows.
    """
    licences: list[str] = []
    commercial = True
    for name in names:
        model = hub_model(name) if is_hub_name(name) else None
        licences.append(model.licence if model is not None else "see the model's card")
        commercial = commercial and model is not None and model.commercial_use
    return " + ".join(dict.fromkeys(licences)), commercial


def whisper_repository(name: str) -> str:
    """Where the hub has the Whisper called ``name``: a size, or ``organisation/name`` as it is.

    Raises:
        UnknownModel: neither.
    """
    if is_hub_name(name):
        return name
    if name not in WHISPER_REPOSITORIES:
        known = ", ".join(WHISPER_REPOSITORIES)
        raise UnknownModel(f"no Whisper of that name; a folder, organisation/name, or: {known}")
    return WHISPER_REPOSITORIES[name]
