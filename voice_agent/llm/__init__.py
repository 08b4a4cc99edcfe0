"""voice_agent.llm package of the voice mesh."""
