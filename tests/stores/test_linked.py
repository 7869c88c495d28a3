"""A second media folder: all finished artifacts of one video but one stage's, at no cost, and apart."""

from __future__ import annotations

from pathlib import Path

import pytest

from vta_stream.stores.linked import link_video


@pytest.fixture
def media(tmp_path: Path) -> Path:
    root = tmp_path / "media"
    for name in (
        "vid-1/download-0/video.mp4",
        "vid-1/segment-0/deep/clip.mp4",
        "vid-1/segment-1.part/clip.mp4",
        "vid-1/score-0/features.npz",
        "vid-10/download-0/video.mp4",
    ):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    (root / "vid-1" / "transcribe-0").symlink_to(tmp_path)
    return root


def _files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_finished_artifacts_of_the_video_and_of_other_stages(media: Path, tmp_path: Path) -> None:
    before, target = _files(media), tmp_path / "second"
    link_video(media, target, "vid-1", without="score")
    assert _files(target) == {"vid-1/download-0/video.mp4", "vid-1/segment-0/deep/clip.mp4"}
    linked = target / "vid-1/download-0/video.mp4"
    assert linked.samefile(media / "vid-1/download-0/video.mp4")
    linked.unlink()
    assert _files(media) == before


def test_where_links_are_refused_they_are_copies(media: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError("protected_hardlinks")

    monkeypatch.setattr(Path, "hardlink_to", refuse)
    link_video(media, tmp_path / "second", "vid-1", without="download")
    copy = tmp_path / "second/vid-1/score-0/features.npz"
    assert copy.read_text() == "vid-1/score-0/features.npz"
    assert copy.stat().st_nlink == 1


def test_a_video_without_files(media: Path, tmp_path: Path) -> None:
    link_video(media, tmp_path / "second", "vid-2", without="score")
    assert _files(tmp_path / "second") == set()
    with pytest.raises(ValueError, match="not a video ID"):
        link_video(media, tmp_path / "second", "../vid-1", without="score")
