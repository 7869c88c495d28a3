"""Where a measurement cannot exist though nothing failed, the clip is kept, with the reason and no value."""

from __future__ import annotations

import pytest

from tests.builders import clip
from vta_stream.domain.clip import Caption, Clip
from vta_stream.domain.transcript import Word
from vta_stream.plugins import load_filters

SILENT = {"text": "", "words": ()}


@pytest.mark.parametrize(
    ("name", "subject", "reason"),
    [
        ("asr_confidence", clip(transcript_source="manual_subtitles"), "manual subtitles"),
        ("asr_confidence", clip(transcript_source="automatic_subtitles"), "automatic subtitles"),
        ("asr_confidence", clip(transcript_source="asr", **SILENT), "no words were recognised"),
        ("longest_word", clip(transcript_source="manual_subtitles"), "manual subtitles"),
        ("longest_word", clip(transcript_source="asr", **SILENT), "no words were recognised"),
        ("clip_match", clip(**SILENT), "no text"),
        ("speech_ratio", clip(words=()), "no times"),
        ("caption_match", clip(captions=(Caption("transcript", "A red circle."),)), "no model"),
    ],
)
def test_kept_with_the_reason(name: str, subject: Clip, reason: str) -> None:
    verdict = load_filters({name: {}})[0].judge(subject)
    assert (verdict.keep, verdict.value, verdict.limit) == (True, None, None)
    assert reason in verdict.reason


@pytest.mark.parametrize(
    ("name", "subject"),
    [
        ("asr_confidence", clip(transcript_source="asr", words=(Word("red", 1.0, 2.0),))),
        ("longest_word", clip(transcript_source="asr", words=(Word("red", 1.0, 2.0),))),
        ("clip_match", clip()),
        ("speech_ratio", clip(**SILENT)),
        ("words_per_second", clip(**SILENT)),
        ("caption_match", clip(captions=(Caption("coca", "a circle", model="m"),))),
    ],
)
def test_rejected_where_it_should_have_been_measured(name: str, subject: Clip) -> None:
    verdict = load_filters({name: {}})[0].judge(subject)
    assert not verdict.keep
    assert "never measured" in verdict.reason
