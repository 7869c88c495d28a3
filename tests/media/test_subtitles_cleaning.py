"""What of a subtitle is spoken."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vta_stream.media.subtitles.cleaning import plain, spoken


@pytest.mark.parametrize(
    ("markup", "said"),
    [
        ("<v Roger Bingham>We are in <i>New York</i> City", "We are in New York City"),
        ("<c.colorE5E5E5>that&nbsp;is</c> Tom &amp; Jerry&#39;s", "that is Tom & Jerry's"),
        ('{\\an8}<font color="#fff">up here</font>', "up here"),
        ("&gt;&gt; Good evening.", "Good evening."),
        (">> Hi. >> Hello.", "Hi. Hello."),
        ("- Where is it?", "Where is it?"),
        ("-5 degrees", "-5 degrees"),
        ("a well-kept house - nearly", "a well-kept house - nearly"),
        ("[Music] Welcome (applause) back", "Welcome back"),
        ("NARRATOR: The circle moves.", "The circle moves."),
        ("- DR. SMITH: It works.", "It works."),
        ("REMEMBER: DO NOT RUN", "REMEMBER: DO NOT RUN"),
        ("At 10:30 we begin", "At 10:30 we begin"),
        ("Wait (laughs), what", "Wait, what"),
        ("[Music]", ""),
        ("♪ la la la ♪", ""),
        ("♪ la la", ""),
        ("...", ""),
        ("（笑）そうです", "そうです"),
        ("3 < 4 and 5 > 4", "3 < 4 and 5 > 4"),
        ("\u200b\u202ahello\u202c", "hello"),
    ],
)
def test_spoken(markup: str, said: str) -> None:
    assert spoken(markup) == said


@given(st.text(alphabet="ab <>/c.[]()♪-:{}\\&;*A\u200b0", max_size=60))
def test_what_is_spoken_has_no_loose_space_and_nothing_new(markup: str) -> None:
    said = spoken(markup)
    assert said == " ".join(said.split())
    kept = iter(plain(markup))
    assert all(character == " " or character in kept for character in said), (markup, said)
