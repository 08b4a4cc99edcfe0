"""Registry of the speech synthesis engines; model libraries are imported by ``load()`` only."""

from __future__ import annotations

from types import MappingProxyType

from shared.engines.registry import EngineEntry, EngineRegistry

REGISTRY = EngineRegistry(
    MappingProxyType(
        {
            "hibari": EngineEntry(
                "tts_service.engines.hibari", ("hibari", "onnxruntime"), "hibari"
            ),
            "kokoro": EngineEntry("tts_service.engines.kokoro", ("onnxruntime",), "kokoro"),
            "xtts": EngineEntry(
                "tts_service.engines.xtts.engine", ("TTS", "torch", "torchaudio"), "xtts"
            ),
            "nemo": EngineEntry("tts_service.engines.nemo", ("nemo", "torch"), "nemo-tts"),
            "fish-api": EngineEntry("tts_service.engines.fish.api", ("ormsgpack",), "fish"),
            "fish-local": EngineEntry("tts_service.engines.fish.local", ("ormsgpack",), "fish"),
            "fake": EngineEntry("tts_service.engines.fake", (), "dev"),
        }
    )
)
"""All engines by name; ``TTS_ENGINES`` says which are used, and in which order."""
