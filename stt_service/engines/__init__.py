"""The recognisers there are, and what each needs."""

from shared.engines import EngineEntry, EngineRegistry

REGISTRY = EngineRegistry(
    {
        "whisper": EngineEntry(
            "stt_service.engines.whisper", ("faster_whisper", "onnxruntime"), "whisper"
        ),
        "fake": EngineEntry("stt_service.engines.fake", (), "dev"),
    }
)
