"""Models that live on a model hub: which files are needed of each, and what their licence allows.

Their weights cannot be pinned here as those of :mod:`shared.models.catalogue` are: what the hub's
client says of a file, its digest above all, is what a download is checked against.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from shared.errors import UnknownModel

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


WHISPER_SIZES = (
    "tiny", "tiny.en", "base", "base.en", "small", "small.en", "medium", "medium.en", "large-v1",
    "large-v2", "large-v3",
)  # fmt: skip


def is_hub_name(name: str) -> bool:
    """Whether ``name`` has the form ``organisation/name`` that only the hub's models have."""
    return _NAME.fullmatch(name) is not None and ".." not in name


def _nemo(name: str, title: str) -> HubModel:
    return HubModel(f"nvidia/{name}", title, "CC-BY-4.0", True, (f"{name}.nemo",))


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
        HubModel(
            "coqui/XTTS-v2",
            "XTTS-v2, voice cloning in 17 languages",
            "Coqui Public Model License (CPML)",
            False,
            ("config.json", "model.pth", "vocab.json"),
            optional=("speakers_xtts.pth",),
            consent=COQUI_CONSENT,
        ),
        *(_whisper(f"Systran/faster-whisper-{size}", size) for size in WHISPER_SIZES),
    )
}
"""Models whose licence is known. Others of the same kinds are taken too: :func:`hub_model`."""


def hub_model(repo_id: str) -> HubModel:
    """What is needed of ``repo_id``, also where it is not in :data:`HUB`.

    A repository of CTranslate2 Whisper weights goes by its name; any other is taken for a NeMo
    model, whose archive is named after its repository.

    Raises:
        UnknownModel: not a name of the form ``organisation/name``.
    """
    if repo_id in HUB:
        return HUB[repo_id]
    if not is_hub_name(repo_id):
        raise UnknownModel("a model of the hub is named organisation/name")
    name = repo_id.partition("/")[2]
    if "whisper" in name.lower():
        files = _whisper(repo_id, name).files
        return HubModel(
            repo_id, name, "see its page", False, files, optional=("preprocessor_config.json",)
        )
    return HubModel(repo_id, name, "see its page", False, (f"{name}.nemo",))
