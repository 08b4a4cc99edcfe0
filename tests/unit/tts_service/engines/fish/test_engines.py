"""What the Fish engines make of a request."""

from __future__ import annotations

import io
import threading

import numpy as np
import pytest

from shared.audio.decode import decode
from shared.audio.encode import encode
from shared.audio.pcm import AudioFormat
from shared.core.errors import InvalidRequest, NotReady, UnsupportedMedia
from shared.wire.speech import Emotion
from tests.fish_server import LOCAL_RATE, Answer, FishServer, sound_of, tone_of
from tests.unit.tts_service.conftest import dominant_hz
from tests.unit.tts_service.engines.fish.conftest import Make, speak
from tts_service.engines import REGISTRY
from tts_service.engines.base import Reference
from tts_service.sound.loudness import integrated_lufs

RATE = 44_100


def recording(seconds: float, level: float = 0.02, container="flac", before: float = 0.5) -> bytes:
    t = np.arange(round(seconds * RATE)) / RATE
    quiet = np.zeros(round(before * RATE))
    sound = np.concatenate((quiet, level * np.sin(2 * np.pi * 300 * t), quiet))
    return encode(np.rint(sound * 32767).astype(np.int16), AudioFormat(RATE), container)


def test_they_are_off_unless_somebody_lists_them() -> None:
    from tts_service.settings import TtsSettings

    assert not {"fish-api", "fish-local"} & set(TtsSettings.model_fields["tts_engines"].default)
    assert {"fish-api", "fish-local"} <= set(REGISTRY.names)


@pytest.mark.parametrize("key", ["", "with space", "new\nline", "schlüssel"])
def test_without_a_key_the_api_is_not_ready(api: FishServer, make: Make, key: str) -> None:
    engine = make(api, warm=False, fish_api_key=key)
    with pytest.raises(NotReady, match="FISH_API_KEY") as caught:
        engine.load()
    assert not key or key not in caught.value.message


def test_getting_ready_sends_nothing_to_the_api(api: FishServer, make: Make) -> None:
    engine = make(api, warm=False)
    engine.load()
    engine.warm_up()
    assert not api.received


def test_the_local_server_is_asked_and_tried(local: FishServer, make: Make) -> None:
    engine = make(local, warm=False)
    engine.load()
    engine.warm_up()
    assert len(local.received) == 1
    assert engine.spec.sample_rate == LOCAL_RATE
    assert "Authorization" not in local.received[0].headers


@pytest.mark.parametrize("key", ["with space", "topsecret\n", "schlüssel"])
def test_a_key_that_is_none_is_neither_sent_nor_quoted(
    local: FishServer, make: Make, key: str
) -> None:
    engine = make(local, warm=False, fish_local_key=key)
    with pytest.raises(NotReady, match="FISH_LOCAL_KEY") as caught:
        engine.load()
    assert key.strip() not in caught.value.message
    assert not local.received


def test_a_local_server_with_a_key(local: FishServer, make: Make) -> None:
    make(local, warm=False, fish_local_key="its-own").warm_up()
    assert local.received[0].headers["Authorization"] == "Bearer its-own"


def test_a_local_server_that_is_down_or_unwell(local: FishServer, make: Make) -> None:
    engine = make(local, warm=False)
    local.script.append(Answer(status=503))
    with pytest.raises(NotReady, match="503"):
        engine.load()
    local.stop()
    with pytest.raises(NotReady, match="connection_refused"):
        engine.load()
    local.start()
    engine.load()


def test_licences_are_told(api: FishServer, local: FishServer, make: Make) -> None:
    for server in (api, local):
        spec = make(server).spec
        assert not spec.commercial_use
        assert spec.cloning == "cloning"
    assert "non-commercial" in make(local).spec.licence
    assert "terms of service" in make(api).spec.licence


def test_voices_are_the_configured_ones(server: FishServer, make: Make) -> None:
    name = "fish_voices" if server.kind == "api" else "fish_local_voices"
    engine = make(server, **{name: "ana=ref-1@es,bob=ref-1"})
    ana, bob = engine.voices()
    assert (ana.id, ana.language) == ("ana", "es")
    assert (bob.id, bob.language) == ("bob", "en-us")
    assert {"en-us", "pt-br", "ja"} <= ana.languages
    speak(engine, "Hola.", voice=ana, language="es")
    assert server.received[-1].body["reference_id"] == "ref-1"


def test_without_voices_there_is_the_servers_own(server: FishServer, make: Make) -> None:
    engine = make(server)
    assert len(engine.voices()) == 1
    speak(engine)
    assert "reference_id" not in server.received[-1].body


def test_a_voice_of_a_language_that_the_model_does_not_speak(api: FishServer, make: Make) -> None:
    with pytest.raises(NotReady, match="'tlh'"):
        make(api, fish_voices="worf=ref-1@tlh")


def test_an_unknown_reference_id_is_the_servers_word(api: FishServer, make: Make) -> None:
    from shared.core.errors import UpstreamUnavailable

    with pytest.raises(UpstreamUnavailable) as caught:
        speak(make(api, fish_voices="gone=ref-9"))
    assert caught.value.code == "http_404"


@pytest.mark.parametrize(
    ("model", "emotion", "text"),
    [
        ("s2-pro", "happy", "[happy] Hello."),
        ("s2.1-pro", Emotion.FEARFUL, "[scared] Hello."),
        ("s1", "calm", "(calm) Hello."),
        ("s2-pro", "neutral", "Hello."),
    ],
)
def test_emotions_are_tags(api: FishServer, make: Make, model: str, emotion, text: str) -> None:
    speak(make(api, fish_model=model), "Hello.", parameters={"emotion": emotion})
    assert api.texts() == [text]


def test_every_emotion_of_a_request_is_understood(local: FishServer, make: Make) -> None:
    engine = make(local)
    for emotion in Emotion:
        speak(engine, "Hi.", parameters={"emotion": emotion})
    tags = [text.removesuffix("Hi.").strip() for text in local.texts()]
    assert tags.count("") == 1
    assert len(set(tags)) == len(Emotion)


def test_models_without_tags_do_not_claim_emotions(local: FishServer, make: Make) -> None:
    assert "emotion" not in make(local, fish_local_model="fish-speech-1.5").spec.parameters
    assert "emotion" in make(local).spec.parameters


def test_parameters_go_along(api: FishServer, local: FishServer, make: Make) -> None:
    # Multipart requests bring numbers as text.
    given = {"temperature": 0.5, "top_p": "0.9", "chunk_length": "150"}
    speak(make(api), parameters={**given, "latency": "balanced"})
    sent = api.received[-1].body
    assert sent["latency"] == "balanced"
    assert (sent["temperature"], sent["top_p"], sent["chunk_length"]) == (0.5, 0.9, 150)
    speak(make(local), parameters={**given, "repetition_penalty": 1.3})
    sent = local.received[-1].body
    assert (sent["temperature"], sent["repetition_penalty"]) == (0.5, 1.3)
    assert sent["streaming"] is True
    assert isinstance(sent["seed"], int)


@pytest.mark.parametrize(
    "wrong",
    [
        {"temperature": 1.5},
        {"top_p": 0.01},
        {"chunk_length": 99},
        {"latency": "warp"},
        {"emotion": "bored"},
    ],
)
def test_parameters_out_of_range_are_refused_here(api: FishServer, make: Make, wrong: dict) -> None:
    with pytest.raises(InvalidRequest) as caught:
        speak(make(api), parameters=wrong)
    assert caught.value.param == next(iter(wrong))
    assert not api.received


def test_what_is_honoured_is_declared(api: FishServer, local: FishServer, make: Make) -> None:
    both = {"speed", "emotion", "temperature", "top_p", "chunk_length", "repetition_penalty"}
    both.add("reference_text")
    assert make(api).spec.parameters == both | {"latency"}
    assert make(local).spec.parameters == both


def test_speed_is_the_apis_and_the_rest_is_stretched(api: FishServer, make: Make) -> None:
    engine = make(api)
    usual = speak(engine).size
    fast = speak(engine, speed=2.0).size
    faster = speak(engine, speed=4.0).size
    assert [r.body.get("prosody", {}).get("speed") for r in api.received] == [None, 2.0, 2.0]
    assert fast == pytest.approx(usual / 2, rel=0.2)
    assert faster == pytest.approx(usual / 4, rel=0.3)


def test_each_sentence_is_one_request_and_marks_alone_are_none(
    server: FishServer, make: Make
) -> None:
    speak(make(server), "One.", "...", "Two.")
    assert server.texts() == ["One.", "Two."]


def test_the_sound_is_what_the_server_made(server: FishServer, make: Make) -> None:
    engine = make(server)
    pcm = speak(engine, "Hello there, how are you?")
    pitch = dominant_hz(pcm, engine.spec.sample_rate)
    assert pitch == pytest.approx(tone_of("Hello there, how are you?"), abs=3)


def test_an_unasked_sample_rate_is_converted(api: FishServer, make: Make) -> None:
    """The rate that an answer declares is the one that counts."""
    engine = make(api, fish_sample_rate=16000)
    api.received.clear()
    original = engine._body
    engine._body = lambda *args: {**original(*args), "sample_rate": 44_100}  # type: ignore[method-assign]
    pcm = speak(engine, "Hello there, how are you?")
    assert dominant_hz(pcm, 16_000) == pytest.approx(tone_of("Hello there, how are you?"), abs=3)


def test_a_voice_keeps_the_gain_of_its_first_long_sound(api: FishServer, make: Make) -> None:
    engine = make(api, fish_voices="loud=ref-1")
    short, long = "Hi.", "This sentence is long enough to be measured once and for all."
    speak(engine, short)
    levels = [np.abs(speak(engine, long)).max() for _ in range(2)]
    again = np.abs(speak(engine, short)).max()
    assert levels[0] == levels[1]
    assert again == pytest.approx(levels[0], rel=0.02)


@pytest.mark.parametrize("voices", ["", "quiet=ref-1"])
def test_loudness_of_voices_that_nobody_measured(api: FishServer, make: Make, voices: str) -> None:
    pcm = speak(make(api, fish_voices=voices), "A sentence of some length to be heard.")
    assert integrated_lufs(pcm / np.float32(32768), 24_000) == pytest.approx(-23, abs=1.5)


def test_a_recording_goes_along_as_a_short_level_file(server: FishServer, make: Make) -> None:
    engine = make(server)
    prepared = engine.prepare(Reference(recording(3.0), "me", "what I say"))
    assert prepared.method == "cloning"
    speak(engine, "One.", "Two.", prepared=prepared)
    for request in server.received:
        (reference,) = request.body["references"]
        assert reference["text"] == "what I say"
        assert "reference_id" not in request.body
        assert len(reference["audio"]) < 400_000
        heard = decode(io.BytesIO(reference["audio"]), sample_rate=RATE, max_seconds=60)
        assert heard.size / RATE == pytest.approx(3.0, abs=0.25), "the silence around it is gone"
        assert integrated_lufs(heard, RATE) == pytest.approx(-23, abs=1)


def test_a_transcript_of_the_request_goes_before_the_recordings_own(
    api: FishServer, make: Make
) -> None:
    engine = make(api)
    prepared = engine.prepare(Reference(recording(2.0), "me", "written beside it"))
    speak(engine, prepared=prepared, parameters={"reference_text": "said just now"})
    assert api.received[-1].body["references"][0]["text"] == "said just now"


def test_the_same_recording_is_prepared_once(api: FishServer, make: Make) -> None:
    engine = make(api)
    data = recording(2.0)
    first = engine.prepare(Reference(data, "me"))
    assert engine.prepare(Reference(data, "another name")) is first
    assert engine.prepare(Reference(data, "me", "with text")).id != first.id
    for level in range(20):
        engine.prepare(Reference(recording(1.5, 0.01 + level / 100), "other"))
    assert engine.prepare(Reference(data, "me")) is not first, "only some are kept"


def test_a_long_recording_is_cut_unless_its_text_would_no_longer_fit(
    api: FishServer, make: Make
) -> None:
    engine = make(api)
    long = recording(40.0, container="mp3")
    kept = engine.prepare(Reference(long, "me")).data.audio
    assert decode(kept, sample_rate=RATE, max_seconds=60).size / RATE == pytest.approx(30, abs=0.2)
    with pytest.raises(InvalidRequest, match="transcript"):
        engine.prepare(Reference(long, "me", "all that is said in it"))
    prepared = engine.prepare(Reference(long, "me"))
    with pytest.raises(InvalidRequest, match="transcript") as caught:
        speak(engine, prepared=prepared, parameters={"reference_text": "all that is said in it"})
    assert caught.value.param == "reference_text"
    assert not api.received


@pytest.mark.parametrize(
    ("audio", "error"),
    [
        (recording(0.4), InvalidRequest),
        (recording(3.0, level=0.0), InvalidRequest),
        (b"no audio at all", UnsupportedMedia),
    ],
)
def test_recordings_that_cannot_be_followed(
    api: FishServer, make: Make, audio: bytes, error: type
) -> None:
    with pytest.raises(error):
        make(api).prepare(Reference(audio, "me"))


def test_parallel_answers_are_each_their_own(server: FishServer, make: Make) -> None:
    engine = make(server)
    texts = [f"Sentence {word} of many." for word in ("one", "two", "three", "four", "five")]
    heard: dict[str, float] = {}

    def ask(text: str) -> None:
        heard[text] = dominant_hz(speak(engine, text), engine.spec.sample_rate)

    threads = [threading.Thread(target=ask, args=(text,)) for text in texts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert heard == {text: pytest.approx(tone_of(text), abs=4) for text in texts}


def test_the_test_server_is_not_at_the_target_loudness() -> None:
    """Else the tests of loudness would show nothing."""
    for voice in ({}, {"reference_id": "ref-1"}):
        sound = sound_of({"text": "A sentence of some length.", **voice}, RATE)
        assert abs(integrated_lufs(sound / np.float32(32768), RATE) + 23) > 5
