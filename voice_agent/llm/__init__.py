"""Registry of the language model engines and the packages that they require."""

from shared.engines.registry import EngineEntry, EngineRegistry

REGISTRY = EngineRegistry(
    {
        "ollama": EngineEntry("voice_agent.llm.ollama", ("ollama",), "ollama"),
        "openai": EngineEntry("voice_agent.llm.openai", (), "ollama"),
        "embedded": EngineEntry("voice_agent.llm.embedded", ("xllamacpp",), "llm-embedded"),
        "fake": EngineEntry("voice_agent.llm.fake", (), "dev"),
    }
)
