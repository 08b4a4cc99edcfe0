"""Pronunciation lexicons from the data packages of gruut (MIT), without running its code.

`gruut-lang-fr` has 90,717 French words with espeak-ng's pronunciations, on which Kokoro's French
voice was trained.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from functools import cache
from importlib.util import find_spec
from pathlib import Path


@cache
def pronunciations(package: str) -> dict[str, str]:
    """Load a lexicon that maps words to IPA without spaces.

    Args:
        package: import name of the data package, for example `gruut_lang_fr`.

    Raises:
        ModuleNotFoundError: the package is not installed.
    """
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise ModuleNotFoundError(package, name=package)
    path = Path(spec.submodule_search_locations[0]) / "espeak" / "lexicon.db"
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro&immutable=1", uri=True)) as database:
        rows = database.execute("SELECT word, phonemes FROM word_phonemes ORDER BY pron_order DESC")
        return {word: phonemes.replace(" ", "").replace("-", "") for word, phonemes in rows}
