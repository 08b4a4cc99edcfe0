"""Load XTTS from a folder prepared from the hub, or from the folder in ``XTTS_MODEL``."""

from __future__ import annotations

import logging
import pickle
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shared.core.errors import ModelDamaged, NotReady
from shared.engines.device import is_out_of_memory
from shared.models.identity import identity_of

if TYPE_CHECKING:
    from tts_service.settings import TtsSettings

log = logging.getLogger(__name__)

_NEEDED = ("config.json", "model.pth", "vocab.json")
_SPEAKERS = "speakers_xtts.pth"
_UNREADABLE = (
    pickle.UnpicklingError,
    AttributeError,
    EOFError,
    ImportError,
    LookupError,
    TypeError,
    ValueError,
)
"""Exceptions of unpickling damaged bytes (see the documentation of :mod:`pickle`)."""


def load_model(settings: TtsSettings, device: str) -> Any:
    """Load a ``TTS.tts.models.xtts.Xtts`` in evaluation mode onto ``device``.

    Raises:
        NotReady: the licence was not accepted, files are missing, or the device is full.
        ModelDamaged: the files cannot be read.
    """
    folder = _folder(settings)
    if missing := [name for name in _NEEDED if not (folder / name).is_file()]:
        raise NotReady(f"XTTS_MODEL lacks {', '.join(missing)}")
    # At WARNING coqui quotes the texts it is given.
    logging.getLogger("TTS").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        # Coqui and its libraries warn of their own deprecations at import and while they load.
        warnings.simplefilter("ignore")
        from TTS.tts.configs.xtts_config import XttsConfig
        from TTS.tts.models.xtts import Xtts

        try:
            config = XttsConfig()
            config.load_json(str(folder / "config.json"))
            model = Xtts.init_from_config(config)
            model.load_checkpoint(config, checkpoint_dir=str(folder), eval=True)
        except _UNREADABLE as error:
            raise ModelDamaged("the XTTS checkpoint cannot be read") from error
        except RuntimeError as error:
            # torch reports both a damaged archive and weights of another shape so.
            raise ModelDamaged("the XTTS checkpoint does not fit its configuration") from error
        try:
            model = model.to(device)
        except RuntimeError as error:
            if is_out_of_memory(error):
                raise NotReady(f"XTTS does not fit on {device}") from error
            raise NotReady(f"XTTS cannot be put on {device}") from error
    log.info("model loaded", extra={"model": folder.name, "device": device})
    return model


def weights_of(settings: TtsSettings) -> dict[str, str]:
    """Return the identity of this checkpoint, which differs from others of the same name.

    Raises:
        NotReady: as :func:`load_model`.
    """
    folder = _folder(settings)
    files = [folder / name for name in (*_NEEDED, _SPEAKERS)]
    return identity_of(*(path for path in files if path.is_file()))


def speaker_names(model: Any) -> list[str]:
    """Return the built-in speakers; none where the checkpoint has no ``speakers_xtts.pth``."""
    manager = model.speaker_manager
    return list(manager.speaker_names) if manager is not None else []


def _folder(settings: TtsSettings) -> Path:
    own = Path(settings.xtts_model)
    if own.is_dir():
        return own
    from shared.models.hub import prepare as hub
    from shared.models.hub.catalogue import hub_model

    consents = {"COQUI_TOS_AGREED"} if settings.coqui_tos_agreed else set()
    hub.require_consent(hub_model(settings.xtts_model), consents)
    return hub.locate_folder(settings.xtts_model, settings.home)
