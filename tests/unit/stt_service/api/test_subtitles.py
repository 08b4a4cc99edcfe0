"""Cues whose text could be taken for the markup of the subtitles."""

from shared.wire.transcription import Segment
from stt_service.api.subtitles import srt, vtt

SAID = [Segment(start=0.0, end=3661.5, text=" if a --> b\n\n then <b> & c ")]


def test_neither_an_arrow_nor_a_blank_line_ends_a_cue():
    times, *text = srt(SAID).splitlines()[1:]
    assert times == "00:00:00,000 --> 01:01:01,500"
    assert text == ["if a -> b then <b> & c"]


def test_what_is_said_is_no_markup_in_webvtt():
    assert vtt(SAID).splitlines()[3] == "if a -&gt; b then &lt;b&gt; &amp; c"
