"""Build ``tts_service/voices/matching/kokoro_embeddings.npz``: embedding and pitch of each voice.

Each voice speaks the calibration sentence; its speech is embedded and its pitch measured. Run the
script again when the model, the voices, the sentence or the encoder change. It takes some minutes.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from shared.models import locate
from tts_service.engines.kokoro import KokoroEngine, build
from tts_service.settings import TtsSettings
from tts_service.voices.matching.matcher import EMBEDDINGS, sound_of
from tts_service.voices.matching.speaker_encoder import SpeakerEncoder


def main() -> None:
    settings = TtsSettings()
    engine: KokoroEngine = build(settings)
    engine.load()
    encoder = SpeakerEncoder.load(locate("resemblyzer", settings.home))
    names = engine.style_names()
    voices = []
    for name in names:
        voices.append(sound_of(encoder, *engine.calibration_speech(engine.style(name))))
        print(f"{name}\t{voices[-1].pitch:.1f}", flush=True)
    np.savez(
        EMBEDDINGS,
        names=names,
        embeddings=np.stack([voice.embedding for voice in voices]).astype(np.float16),
        pitches=np.array([voice.pitch for voice in voices], np.float32),
    )


if __name__ == "__main__":
    main()
