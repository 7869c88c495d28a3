"""Subtitles from real files and from files made to be hard."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import pysubs2
import pytest

from vta_stream.domain.transcript import Cue
from vta_stream.domain.video import Subtitle
from vta_stream.media.subtitles import SubtitleError, base, read_subtitle

NASA_DURATION_S = 13.056


def read(path: Path, kind: str = "manual", duration_s: float | None = None) -> tuple[Cue, ...]:
    subtitle = Subtitle("en", kind, path.suffix[1:], path=path.name)  # type: ignore[arg-type]
    return read_subtitle(None, subtitle, path, duration_s)


def written(folder: Path, name: str, text: str, kind: str = "manual", duration_s: float | None = None) -> list[Cue]:
    (folder / name).write_bytes(text.encode())
    return list(read(folder / name, kind, duration_s))


def stream(path: Path, index: int, duration_s: float | None = None) -> tuple[Cue, ...]:
    return read_subtitle(path, Subtitle(None, "manual", "mov_text", stream_index=index), None, duration_s)


def test_embedded_captions_agree_with_the_file_beside_them(shared_media: Path) -> None:
    video = shared_media / "video/nasa_13013.mp4"
    file = read(shared_media / "subtitles/nasa_13013.en.srt", duration_s=NASA_DURATION_S)
    assert stream(video, 2, NASA_DURATION_S) == stream(video, 5, NASA_DURATION_S) == file
    assert file[2] == Cue("at NASA’s Goddard Space Flight Center in Greenbelt, Maryland.", 8.35, 12.47)
    # "NAR:" is a label that nobody says. The last cue lasts to 16.57; only one word of it is over at the end.
    assert file[0].text == "This is the optical and science segment of the Webb"
    assert file[3] == Cue("This", 12.47, NASA_DURATION_S)


def test_times_count_from_the_first_frame(shared_media: Path) -> None:
    # The Matroska file has all streams 23 ms later than the MP4 they were copied from.
    expected = [("oop", 0.523, 1.016), ("boop", 1.523, 1.916)]
    for name in ("embedded_webvtt.mkv", "embedded_mov_text.mp4"):
        cues = stream(shared_media / "subtitles" / name, 2)
        assert [(cue.text, cue.start_s, cue.end_s) for cue in cues] == expected, name


def test_a_stream_that_holds_no_subtitles(shared_media: Path) -> None:
    for index in (0, 1, 99, -1):
        with pytest.raises(SubtitleError, match="no subtitle stream"):
            stream(shared_media / "video/nasa_13013.mp4", index)


def test_youtube_words_are_timed_and_said_once(shared_media: Path) -> None:
    cues = read(shared_media / "subtitles/youtube_dl_excerpt.vtt", "automatic")
    assert [cue.text for cue in cues] == ["yeah", "what", "this will happen is I'm telling"]
    words = [(word.text, word.start_s) for cue in cues for word in cue.words]
    assert words[:4] == [("yeah", 286.07), ("what", 286.47), ("this", 304.08), ("will", 304.199)]
    assert words[-1] == ("telling", 305.069)
    # "what" stays on the screen for 18 s; nobody says it for so long.
    assert cues[1].end_s < 287.2


ROLLING = """WEBVTT
Kind: captions
Language: en

00:00:00.160 --> 00:00:02.389 align:start position:0%
 
hello<00:00:00.480><c> everyone</c>

00:00:02.389 --> 00:00:02.399 align:start position:0%
hello everyone
 

00:00:02.399 --> 00:00:04.000 align:start position:0%
hello everyone
and<00:00:02.720><c> welcome</c><00:00:03.120><c> back</c>

00:00:04.000 --> 00:00:04.010 align:start position:0%
and welcome back
 

00:00:04.010 --> 00:00:09.000 align:start position:0%
and welcome back
[Music]

00:00:12.000 --> 00:00:13.000 align:start position:0%
[Music]
hello<00:00:12.300><c> everyone</c>
"""  # noqa: W293


def test_rolling_lines_are_taken_once_and_true_repeats_are_kept(tmp_path: Path) -> None:
    for kind in ("automatic", "manual"):
        cues = written(tmp_path, "a.en.vtt", ROLLING, kind)
        assert [cue.text for cue in cues] == ["hello everyone", "and welcome back", "hello everyone"], kind
        assert [(word.text, word.start_s) for word in cues[1].words] == [
            ("and", 2.399),
            ("welcome", 2.72),
            ("back", 3.12),
        ]
        assert cues[2].start_s == 12.0


def test_lines_with_exactly_two_word_times_are_text(tmp_path: Path) -> None:
    """pysubs2 takes such a line for a timing line; this is why it does not read our WebVTT."""
    text = "WEBVTT\n\n00:01.000 --> 00:03.000\none<00:01.500><c> two</c><00:02.000><c> three</c>\n"
    assert [event.plaintext for event in pysubs2.SSAFile.from_string(text, format_="vtt")] != ["one two three"]
    assert [cue.text for cue in written(tmp_path, "a.vtt", text)] == ["one two three"]


def test_converted_rolling_captions_without_word_times_are_found_out(tmp_path: Path) -> None:
    lines = ["first line here", "second line here", "third line here", "fourth line here", "fifth line here"]
    blocks = [
        f"{number}\n00:00:{number * 2:02d},000 --> 00:00:{number * 2 + 2:02d},000\n{before}\n{line}\n"
        for number, (before, line) in enumerate(pairwise(["", *lines]))
    ]
    blocks[0] = blocks[0].replace("\n\nfirst", "\nfirst")
    assert [cue.text for cue in written(tmp_path, "a.srt", "\n".join(blocks))] == lines


def test_json3_words(tmp_path: Path) -> None:
    events = [
        {"tStartMs": 0, "dDurationMs": 60000, "id": 1, "wpWinPosId": 1},
        {"tStartMs": 160, "dDurationMs": 4000, "wWinId": 1, "segs": [
            {"utf8": "hello", "acAsrConf": 0}, {"utf8": " everyone", "tOffsetMs": 320, "acAsrConf": 0}]},
        {"tStartMs": 2390, "dDurationMs": 10, "wWinId": 1, "aAppend": 1, "segs": [{"utf8": "\n"}]},
        {"tStartMs": 2400, "dDurationMs": 3000, "wWinId": 1, "segs": [{"utf8": "[Music]"}]},
        {"tStartMs": 3000, "dDurationMs": 3000, "wWinId": 1, "segs": [
            {"utf8": "yeah"}, {"utf8": " [\u00a0__\u00a0]", "tOffsetMs": 400}, {"utf8": " right", "tOffsetMs": 900}]},
        {"tStartMs": 4100, "dDurationMs": 3000, "wWinId": 1, "segs": [{"utf8": "yeah right"}]},
        "nonsense", {"tStartMs": "5", "segs": [{"utf8": "x"}]}, {"segs": 3},
    ]  # fmt: skip
    cues = written(tmp_path, "a.json3", json.dumps({"wireMagic": "pb3", "events": events}), "automatic")
    assert [cue.text for cue in cues] == ["hello everyone", "yeah right", "yeah right"]
    words = [word for cue in cues for word in cue.words]
    assert [(word.text, word.start_s) for word in words[:4]] == [
        ("hello", 0.16), ("everyone", 0.48), ("yeah", 3.0), ("right", 3.9),
    ]  # fmt: skip
    assert all(before.end_s <= after.start_s for before, after in pairwise(words))


def test_json3_of_a_person_has_lines_not_words(tmp_path: Path) -> None:
    events = [{"tStartMs": 500, "dDurationMs": 1500, "segs": [{"utf8": "- Is it red?\n- It &amp; that is."}]}]
    assert written(tmp_path, "a.json3", json.dumps({"events": events})) == [Cue("Is it red? It & that is.", 0.5, 2.0)]


def test_ass(tmp_path: Path) -> None:
    text = (
        "[Script Info]\nScriptType: v4.00+\n\n[Events]\n"
        "Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text\n"
        "Comment: 0,0:00:00.00,0:00:09.00,Default,,0,0,0,,a note\n"
        "Dialogue: 0,0:00:01.00,0:00:03.50,Default,,0,0,0,,{\\i1}A red\\Ncircle{\\i0}\\hmoves.\n"
        "Dialogue: 0,0:00:01.00,0:00:03.50,Default,,0,0,0,,{\\p1}m 0 0 l 10 10{\\p0}\n"
    )
    assert written(tmp_path, "a.ass", text) == [Cue("A red circle moves.", 1.0, 3.5)]


@pytest.mark.parametrize(
    ("name", "texts"),
    [
        ("captions_with_bom.vtt", [1, 2, 3, 4]),
        ("invalid.vtt", [1, 2, 3, 4, 5, 6, 7]),
        ("invalid_timeframe.vtt", [1, 3, 4, 5, 6, 7]),
        ("invalid_timeframe_in_cue_text.vtt", [1, 2, 3]),
        ("metadata_headers_multiline.vtt", [1, 2]),
        ("missing_caption_text.vtt", [1, 3, 4, 5]),
        ("missing_timeframe.vtt", [1, 3, 4, 5, 6, 7]),
        ("using_identifiers.vtt", [1, 2, 3, 4, 5, 6]),
        ("sample.vtt", list(range(1, 17))),
        ("sample.srt", [1, 2, 3, 4, 5]),
        ("invalid_timeframe.srt", [1, 2, 3, 4, 5]),
        ("missing_timeframe.srt", [1, 3, 4, 5]),
        ("missing_caption_text.srt", [1, 3, 4, 5]),
    ],
)
def test_what_can_be_read_of_a_damaged_file_is_kept(shared_media: Path, name: str, texts: list[int]) -> None:
    cues = read(shared_media / "subtitles/webvtt_py" / name)
    assert [cue.text for cue in cues] == [f"Caption text #{number}" for number in texts]


def test_notes_styles_and_cue_tags(shared_media: Path) -> None:
    folder = shared_media / "subtitles/webvtt_py"
    assert read(folder / "comments.vtt")[0].text == "Ta en kopp varmt te. Det är inte varmt."
    assert read(folder / "styles.vtt") == (Cue("Hello world.", 0.0, 10.0),)
    moon = read(folder / "cue_tags.vtt")[0]
    assert moon.text == "When the moon hits your eye"
    assert {word.text: word.start_s for word in moon.words}["hits"] == 17.5


@pytest.mark.parametrize("name", ["empty.vtt", "no_captions.vtt", *(f"invalid_format{n}.srt" for n in (1, 2, 3, 4))])
def test_a_file_with_nothing_to_say_is_an_error(shared_media: Path, name: str) -> None:
    with pytest.raises(SubtitleError, match="nothing spoken") as caught:
        read(shared_media / "subtitles/webvtt_py" / name)
    assert caught.value.reason == "subtitle_unreadable"


def test_simple_files_agree_with_pysubs2(shared_media: Path) -> None:
    for name in ("moviepy_subtitles.srt", "moviepy_subtitles_unicode.srt", "webvtt_py/sample.srt"):
        file = shared_media / "subtitles" / name
        other = [(e.plaintext, e.start / 1000, e.end / 1000) for e in pysubs2.load(str(file), encoding="utf-8")]
        assert [(cue.text, cue.start_s, cue.end_s) for cue in read(file)] == [cue for cue in other if cue[0]], name


def test_line_ends_and_encodings(tmp_path: Path) -> None:
    text = "1\r\n00:00:01,000 --> 00:00:02,000\r\nÄÖ 漢字\r\nzwei\r\n\r\n2\r\n00:00:02,000 --> 00:00:03,000\r\ndrei\r\n"
    for encoding in ("utf-8", "utf-8-sig", "utf-16"):
        (tmp_path / "a.srt").write_bytes(text.encode(encoding))
        assert [cue.text for cue in read(tmp_path / "a.srt")] == ["ÄÖ 漢字 zwei", "drei"], encoding
    (tmp_path / "a.srt").write_bytes(text.encode("utf-8") + b"\xff\xfe\x00")
    with pytest.raises(SubtitleError, match="not in utf-8"):
        read(tmp_path / "a.srt")


def test_times_are_sane(tmp_path: Path) -> None:
    text = "".join(
        f"00:00:{start:02d}.000 --> 00:00:{end:02d}.000\n{text}\n\n"
        for start, end, text in [
            (8, 12, "late words all here"),
            (5, 3, "backwards"),
            (1, 4, "a"),
            (2, 3, "b"),
            (11, 12, "after"),
        ]
    )
    assert written(tmp_path, "a.vtt", "WEBVTT\n\n" + text, duration_s=10.0) == [
        Cue("a", 1.0, 4.0), Cue("b", 2.0, 3.0), Cue("late", 8.0, 10.0),
    ]  # fmt: skip


def test_sizes_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with (tmp_path / "huge.vtt").open("wb") as file:
        file.truncate(500 * 1024**2)  # a sparse file: it takes no room, and reading it whole would
    with pytest.raises(SubtitleError, match="larger than"):
        read(tmp_path / "huge.vtt")
    monkeypatch.setattr("vta_stream.media.subtitles.read.CUES_MAX", 1)
    assert base.CUES_MAX > 1
    with pytest.raises(SubtitleError, match="2 cues"):
        written(tmp_path, "a.vtt", "00:01.000 --> 00:02.000\na\n\n00:02.000 --> 00:03.000\nb\n")


def test_damaged_json3_unknown_format_and_missing_file(tmp_path: Path) -> None:
    for text in ("{", "[]", "[" * 100_000, '{"events": {}}'):
        with pytest.raises(SubtitleError):
            written(tmp_path, "a.json3", text)
    with pytest.raises(SubtitleError, match="'ttml' are not read"):
        written(tmp_path, "a.ttml", "<tt/>")
    with pytest.raises(SubtitleError, match="cannot be read"):
        read(tmp_path / "gone.srt")
