"""Probing: facts as displayed, and nothing opened but the file itself."""

from __future__ import annotations

import http.server
import shutil
import threading
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import pytest

from tests.media.synthetic import counting
from vta_stream.media import opening
from vta_stream.media.probe import displayed_size, probe
from vta_stream.ports import TerminalError, TransientError


def reason_of(path: Path) -> str:
    with pytest.raises(TerminalError) as error:
        probe(path)
    return error.value.reason


def test_facts_of_a_real_video(shared_media: Path) -> None:
    facts, subtitles = probe(shared_media / "video/laion400m_talk.mp4")
    assert (facts.width, facts.height, facts.fps, facts.rotation_deg) == (1920, 1080, 30.0, 0)
    assert facts.duration_s == pytest.approx(122.67, abs=0.1)
    assert (facts.video_codec, facts.pixel_format) == ("h264", "yuv420p")
    assert (facts.audio_codec, facts.audio_rate_hz, facts.audio_channels) == ("aac", 44_100, 2)
    assert subtitles == ()


def test_embedded_subtitles_are_listed(shared_media: Path) -> None:
    _, nasa = probe(shared_media / "video/nasa_13013.mp4")
    assert [(item.format, item.language, item.stream_index) for item in nasa] == [
        ("mov_text", "eng", 2),
        ("mov_text", "eng", 5),
    ]
    _, (webvtt,) = probe(shared_media / "subtitles/embedded_webvtt.mkv")
    assert (webvtt.format, webvtt.kind, webvtt.path, webvtt.stream_index) == ("webvtt", "manual", None, 2)


def test_the_best_of_several_video_streams(shared_media: Path) -> None:
    facts, _ = probe(shared_media / "video/nasa_13013.mp4")
    assert (facts.width, facts.height) == (480, 270)
    assert facts.audio_rate_hz == 16_000  # the sound that comes with it, not the 8 kHz track


@pytest.mark.parametrize(
    ("name", "rotation_deg", "size"),
    [
        ("rotate_0.mov", 0, (568, 320)),
        ("rotate_90.mov", 90, (320, 568)),
        ("rotate_270.mov", 270, (320, 568)),
        ("mp4parse/h264_white_frame_sar_16_9.mp4", 0, (1138, 480)),
    ],
)
def test_sizes_are_as_displayed(shared_media: Path, name: str, rotation_deg: int, size: tuple[int, int]) -> None:
    facts, _ = probe(shared_media / "hostile" / name)
    assert facts.rotation_deg == rotation_deg
    assert (facts.width, facts.height) == size


@pytest.mark.parametrize(
    ("aspect", "rotation_deg", "size"),
    [
        (None, 0, (720, 576)),
        (Fraction(16, 15), 0, (768, 576)),
        (Fraction(8, 9), 90, (648, 720)),
        (Fraction(1000), 0, (720, 576)),
    ],
)
def test_displayed_size(aspect: Fraction | None, rotation_deg: int, size: tuple[int, int]) -> None:
    assert displayed_size(720, 576, aspect, rotation_deg) == size


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("zero_byte.webm", "empty_file"),
        ("audio_only_named.mp4", "no_video_stream"),
        ("pocketsphinx_awful.wav", "no_video_stream"),
        ("mp4parse/invalid_userdata.mp4", "no_frames"),
        ("mp4parse/clusterfuzz-testcase-minimized-avif-4914209301856256.avif", "damaged"),
    ],
)
def test_what_cannot_be_used_says_why(shared_media: Path, name: str, reason: str) -> None:
    assert reason_of(shared_media / "hostile" / name) == reason


def test_files_that_are_no_media(tmp_path: Path) -> None:
    (tmp_path / "text.mp4").write_text("root:x:0:0:root:/root:/bin/bash\n" * 50)
    assert reason_of(tmp_path / "text.mp4") == "not_media"


def test_cut_off_files(tmp_path: Path, shared_media: Path) -> None:
    whole = (shared_media / "video/nasa_13013.mp4").read_bytes()
    (tmp_path / "head.mp4").write_bytes(whole[:5000])
    assert reason_of(tmp_path / "head.mp4") in ("damaged", "no_frames")
    late_index = counting(tmp_path / "in.mp4", 60, Fraction(30)).read_bytes()
    (tmp_path / "no_index.mp4").write_bytes(late_index[: late_index.index(b"moov") - 100])
    assert reason_of(tmp_path / "no_index.mp4") == "damaged"


def test_a_missing_file_is_transient(tmp_path: Path) -> None:
    with pytest.raises(TransientError) as error:
        probe(tmp_path / "gone.mp4")
    assert error.value.reason == "media_gone"


@pytest.mark.parametrize("name", ["http:x.mp4", "-i.mp4", "concat:a|b.mp4", "%d.mp4", "a b\n.mp4", "pipe:0"])
def test_names_are_only_names(tmp_path: Path, shared_media: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copy(shared_media / "hostile/ae_testsrc.mp4", tmp_path / name)
    monkeypatch.chdir(tmp_path)
    assert probe(Path(name))[0].width == 640


def test_absurd_sizes_are_refused(tmp_path: Path, shared_media: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opening, "SIZE_MAX_PX", 600)
    assert reason_of(shared_media / "hostile/ae_testsrc.mp4") == "picture_too_large"


@pytest.fixture
def listener() -> Iterator[tuple[str, list[str]]]:
    """A web server that notes what was asked of it."""
    asked: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_error(404)

        def log_message(self, format: str, *args: object) -> None:
            """Quiet."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", asked
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize("suffix", ["m3u8", "mp4", "ts", "mkv"])
def test_playlists_open_nothing(
    tmp_path: Path, shared_media: Path, listener: tuple[str, list[str]], suffix: str
) -> None:
    url, asked = listener
    secret = shared_media / "hostile/ae_testsrc.mp4"
    hls = "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\n{}\n#EXT-X-ENDLIST\n"
    playlists = {
        "hls_url": hls.format(f"{url}/x.ts"),
        "hls_file": hls.format(f"file://{secret}"),
        "hls_concat": hls.format(f"concat:{secret}|subfile,,start,0,end,100,,:/etc/passwd"),
        "ffconcat": f"ffconcat version 1.0\nfile '{secret}'\n",
        "ffconcat_url": f"ffconcat version 1.0\nfile {url}/x.mp4\n",
        "dash": f'<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static"><Period>'
        f"<AdaptationSet><Representation id='1'><BaseURL>{url}/x.mp4</BaseURL></Representation></AdaptationSet>"
        "</Period></MPD>",
        "sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 5004 RTP/AVP 96\n",
    }
    for name, text in playlists.items():
        path = tmp_path / f"{name}.{suffix}"
        path.write_text(text)
        assert reason_of(path) == "not_media", name
    assert asked == []
