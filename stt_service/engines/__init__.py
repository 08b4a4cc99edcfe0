"""Registry of the speech recognition engines and the packages that they require."""

from shared.engines.registry import EngineEntry, EngineRegistry

REGISTRY = EngineRegistry(
    {
        "whisper": EngineEntry(
            "stt_service.engines.whisper", ("faster_whisper", "onnxruntime"), "whisper"
        ),
        "parakeet": EngineEntry(
            "stt_service.engines.parakeet",
            ("nemo", "torch", "faster_whisper", "onnxruntime"),
            "parakeet",
        ),
        "fake": EngineEntry("stt_service.engines.fake", (), "dev"),
    }
)
