"""The page: everything is in the file, and nothing that a video says is believed."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from vta_stream.domain.clip import Caption, Span
from vta_stream.domain.verdict import Verdict
from vta_stream.report.dataset import ShownClip, ShownDataset
from vta_stream.report.page import Bar, Figure, Page, Remark, Table, chosen_clips, render, write_page

EVIL = "<script>alert(1)</script><img src='https://evil.example/x'>\" onload=\"x"


class Elements(HTMLParser):
    """What a browser makes of a page: its elements with their attributes, and all text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.found if name == tag]


def clip(number: int, *refused_by: str, text: str = "A star.", video: str = "vid") -> ShownClip:
    verdicts = tuple(Verdict(name, False, f"{name} is 0.1, below the minimum of 0.2", 0.1, 0.2) for name in refused_by)
    kept = Verdict("motion", True, "motion is 3 levels/s, not below the minimum of 1 levels/s", 3.0, 1.0)
    span = Span(4.0 * number, 4.0 * number + 3.5)
    return ShownClip(f"{video}-{number}", video, span, text, not refused_by, (kept, *verdicts), (), {})


def page_of(*clips: ShownClip, page: Page | None = None) -> Elements:
    return Elements(render(page or Page("A title", "A lead."), ShownDataset((), clips), clips))


def test_what_videos_say_stays_text_wherever_it_stands() -> None:
    verdict = Verdict("cut", False, EVIL)
    bad = ShownClip(EVIL, EVIL, Span(0, 1), EVIL, False, (verdict,), (Caption("coca", EVIL, EVIL, 0.1),), {EVIL: EVIL})
    page = Page(
        EVIL,
        EVIL,
        (Figure(EVIL, EVIL, EVIL),),
        (Bar(EVIL, 1),),
        (Table(EVIL, EVIL, (EVIL,), (("plain", (EVIL,)),)),),
        {EVIL: Remark(EVIL, "bad", (("bad", EVIL, EVIL),))},
        {},
        (EVIL,),
    )
    found = page_of(bad, page=page)
    assert found.all("script") == found.all("img") == []
    assert all("onload" not in attributes for _, attributes in found.found)
    assert found.text.count(EVIL) >= 17, "and all of it is to be read"


def test_it_needs_nothing_from_elsewhere() -> None:
    page = Page("A title", "A lead.", pictures={"vid-0": b"\xff\xd8jpeg"})
    html = render(page, ShownDataset((), (clip(0),)), [clip(0)])
    assert "://" not in html
    assert not re.search(r"@import|url\(", html)
    found = Elements(html)
    assert found.all("img") == [{"alt": "Three frames of the clip", "src": "data:image/jpeg;base64,/9hqcGVn"}]
    assert found.all("link") == found.all("script") == []
    policies = [one["content"] for one in found.all("meta") if one.get("http-equiv") == "Content-Security-Policy"]
    assert policies == ["default-src 'none'; img-src data:; style-src 'unsafe-inline'"]


def test_a_card_tells_what_was_heard_and_why_it_is_out() -> None:
    found = page_of(clip(0, "clip_match", text=""), clip(20))
    assert "nothing was heard" in found.text
    assert "clip match is 0.1, below the minimum of 0.2" in found.text
    assert "1:20.0 – 1:23.5" in found.text
    fills = [one.get("style") for one in found.all("span") if one.get("class") == "fill"]
    assert fills == ["width: 100.0%", "width: 100.0%", "width: 25.0%"], "the limit is in the middle of the scale"


def test_parts_of_the_funnel_are_drawn_against_their_whole() -> None:
    bars = (
        Bar("videos", 10),
        Bar("done", 9, inset=True),
        Bar("clips", 40),
        Bar("accepted", 10, inset=True),
        Bar("x", 0),
    )
    found = page_of(page=Page("", "", funnel=(*bars, Bar("y", 0, inset=True))))
    fills = [one.get("style") for one in found.all("span") if one.get("class") == "fill"]
    assert fills == [f"width: {length}%" for length in (100.0, 90.0, 100.0, 25.0, 0.0, 0.0)]


def test_what_was_decided_wrongly_is_marked() -> None:
    remarks = {"vid-1": Remark("should be out", "bad")}
    found = page_of(clip(0), clip(1), page=Page("", "", remarks=remarks))
    assert [one.get("class") for one in found.all("article")] == [None, "wrong"]


@pytest.mark.parametrize("count", [3, 7, 40])
def test_of_many_clips_wrong_ones_come_first_and_then_some_of_every_kind(count: int) -> None:
    clips = [clip(n, "motion") for n in range(30)] + [clip(n, "sharpness") for n in range(30, 33)]
    remarks = {"vid-29": Remark("should be in", "bad"), "vid-5": Remark("a shifted one")}
    chosen = chosen_clips(clips, remarks, count)
    assert len(chosen) == min(count, 33)
    assert chosen[0].clip_id == "vid-29"
    if count > 3:
        assert {"vid-5", "vid-0", "vid-30"} <= {one.clip_id for one in chosen}
    assert len({one.clip_id for one in chosen}) == len(chosen)
    assert [one.span.start_s for one in chosen[1:]] == sorted(one.span.start_s for one in chosen[1:])


def test_it_says_how_many_clips_are_not_shown() -> None:
    dataset = ShownDataset((), tuple(clip(n) for n in range(5)))
    found = Elements(render(Page("", ""), dataset, dataset.clips[:2]))
    assert "5 clips, 2 of them here" in found.text


def test_it_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    write_page(path, "old")
    with pytest.raises(UnicodeEncodeError):
        write_page(path, "new \ud800")
    assert path.read_text() == "old"
    write_page(path, "new")
    assert path.read_text() == "new"
    assert [one.name for one in tmp_path.iterdir()] == ["page.html"]
