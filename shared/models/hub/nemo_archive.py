"""NeMo models from an archive on disk or a repository on the hub."""

from __future__ import annotations

import importlib
import logging
import warnings
from pathlib import Path
from typing import Any

from shared.core.errors import ModelDamaged, NotReady
from shared.engines.device import is_out_of_memory
from shared.models.hub.prepare import locate
from shared.models.unpacking import unpacked

log = logging.getLogger(__name__)


def archive_of(name: str, home: Path) -> Path:
    """The ``.nemo`` archive that ``name`` means: a path, or a repository, whose archive has the
    repository's name.

    Raises:
        NotReady: there is no such archive here.
    """
    path = Path(name)
    if path.suffix != ".nemo":
        return locate(name, f"{name.rsplit('/', 1)[-1]}.nemo", home)
    if not path.is_file():
        raise NotReady("the configured .nemo archive does not exist")
    return path


def restore(model_class: Any, name: str, device: str, home: Path) -> Any:
    """The model, in evaluation mode on ``device``.

    Args:
        model_class: NeMo's class for it; has ``restore_from``.
        name: path of a ``.nemo`` archive, or a repository such as ``nvidia/tts_hifigan``.
        device: as torch names it.
        home: folder of prepared models.

    Raises:
        NotReady: there is no such archive here, or the device or the disk is full.
        ModelDamaged: the archive cannot be read.
    """
    path = archive_of(name, home)
    # At WARNING NeMo quotes the texts it is given.
    importlib.import_module("nemo.utils").logging.setLevel(logging.ERROR)
    connectors = importlib.import_module("nemo.core.connectors.save_restore_connector")
    try:
        with unpacked(path, home) as folder, warnings.catch_warnings():
            # NeMo and its libraries warn of their own deprecations while they build a model.
            warnings.simplefilter("ignore")
            # Left to itself NeMo unpacks the archive into the folder for temporary files, twice.
            connector = connectors.SaveRestoreConnector()
            connector.model_extracted_dir = str(folder)
            config = model_class.restore_from(
                str(path), return_config=True, save_restore_connector=connector
            )
            # Texts arrive normalised; building NeMo's normaliser takes the better part of a minute.
            config.pop("text_normalizer", None)
            model = model_class.restore_from(
                str(path),
                override_config_path=config,
                map_location=device,
                save_restore_connector=connector,
            )
    except (FileNotFoundError, KeyError) as error:
        raise ModelDamaged(f"the archive of '{path.stem}' lacks what NeMo looks for") from error
    except RuntimeError as error:
        if is_out_of_memory(error):
            raise NotReady(f"'{path.stem}' does not fit on {device}") from error
        raise
    log.info("model restored", extra={"model": path.stem, "device": device})
    return model.to(device).eval()
