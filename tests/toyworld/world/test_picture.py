import random
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vta_stream.toyworld.world.composing import PATTERNS, compose_scene
from vta_stream.toyworld.world.picture import patch_truth, render, render_frame
from vta_stream.toyworld.world.realm import Realm
from vta_stream.toyworld.world.scene import HEIGHT_PX, WIDTH_PX, Backdrop, Camera, Group, Scene, placed
from vta_stream.toyworld.world.vocabulary import COLOURS, SHAPES, SIZES

GREY = Backdrop("plain", (90, 90, 90), (90, 90, 90), 0)
RED = Group("square", "red", "large", 1, "still", 110, 180, 62)
BLUE = Group("circle", "blue", "small", 3, "left", 520, 90, 23, travel_px=60)


def scene_of(*groups: Group, light: float = 1.0, camera: Camera | None = None, backdrop: Backdrop = GREY) -> Scene:
    return Scene(groups, backdrop, camera or Camera(), light, 6.0)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**9), st.sampled_from(PATTERNS), st.floats(0, 6))
def test_each_shape_has_its_colour_where_the_scene_says(seed: int, pattern: str, time_s: float) -> None:
    """In the middle of everything that is solid there, with any backdrop, motion and camera."""
    scene = compose_scene(random.Random(seed), Realm.TRAINING, 6.0)
    scene = replace(scene, backdrop=replace(scene.backdrop, pattern=pattern))
    frame = render_frame(scene, time_s)
    assert frame.shape == (HEIGHT_PX, WIDTH_PX, 3)
    inside_out = len(scene.groups) == 2 and (scene.groups[0].x, scene.groups[0].y) == (
        scene.groups[1].x,
        scene.groups[1].y,
    )
    for one in placed(scene, time_s):
        group = scene.groups[one.group]
        if group.shape in ("ring", "moon") or (inside_out and one.group == 0):
            continue
        wanted = np.minimum(np.round(np.array(COLOURS[group.colour]) * scene.light), 255)
        assert np.abs(frame[round(one.y), round(one.x)] - wanted).max() <= 1


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("size", SIZES)
def test_a_shape_is_as_large_as_its_radius_and_no_two_are_alike(shape: str, size: str) -> None:
    group = Group(shape, "white", size, 1, "still", 320, 180, SIZES[size])
    covered = np.abs(render_frame(scene_of(group), 0.0).astype(int) - 90).max(axis=2) > 60
    rows, columns = np.nonzero(covered)
    reach = max(rows.max() - rows.min(), columns.max() - columns.min()) / 2
    assert SIZES[size] * 0.75 <= reach <= SIZES[size] * 1.05
    for other in set(SHAPES) - {shape}:
        another = np.abs(render_frame(scene_of(replace(group, shape=other)), 0.0).astype(int) - 90).max(axis=2) > 60
        assert (covered ^ another).sum() > 0.12 * covered.sum(), f"{shape} looks like {other}"


@pytest.mark.parametrize("pattern", PATTERNS)
def test_backdrops_stay_between_their_colours_and_follow_seed_and_light(pattern: str) -> None:
    backdrop = Backdrop(pattern, (80, 100, 120), (150, 160, 130), 5)
    empty = scene_of(backdrop=backdrop)
    frame = render_frame(empty, 0.0)
    assert frame.min() >= 80 * 0.92 - 12
    assert frame.max() <= 160 * 1.08 + 12
    assert np.array_equal(frame, render_frame(empty, 3.0)), "nothing moves"
    assert not np.array_equal(frame, render_frame(scene_of(backdrop=replace(backdrop, seed=6)), 0.0))
    dark = render_frame(scene_of(backdrop=backdrop, light=0.5), 0.0)
    assert dark.mean() == pytest.approx(frame.mean() / 2, rel=0.02)
    if pattern != "plain":
        assert frame.astype(float).mean(axis=2).std() > 3, "the pattern shows"


@pytest.mark.parametrize("camera", [Camera(pan_x_px=40), Camera(pan_y_px=24), Camera(zoom=1.12), Camera(zoom=0.9)])
def test_backdrop_and_shapes_move_with_the_camera_as_one(camera: Camera) -> None:
    """A dot of the backdrop and a shape over it stay together."""
    checks = Backdrop("checks", (40, 40, 40), (200, 200, 200), 3)
    still, moved = scene_of(RED, backdrop=checks), scene_of(RED, backdrop=checks, camera=camera)
    assert not np.array_equal(render_frame(still, 6.0), render_frame(moved, 6.0))
    scale = camera.zoom
    left = (WIDTH_PX - WIDTH_PX / scale) / 2 + camera.pan_x_px / 2 / scale
    top = (HEIGHT_PX - HEIGHT_PX / scale) / 2 + camera.pan_y_px / 2 / scale
    undone = render(moved, 6.0).transform(
        (WIDTH_PX, HEIGHT_PX), 0, (scale, 0, -left * scale, 0, scale, -top * scale), resample=2
    )
    inner = (slice(40, -40), slice(60, -60))
    difference = np.abs(np.asarray(undone)[inner].astype(int) - render_frame(still, 6.0)[inner])
    assert difference.mean() < 6


def test_patches_show_what_is_in_them() -> None:
    truth = patch_truth(scene_of(RED, BLUE), 3.0, 8, 8)
    red, blue = 1 + list(COLOURS).index("red"), 1 + list(COLOURS).index("blue")
    assert truth.colour[4, 1] == red
    assert truth.shape[4, 1] == 1 + SHAPES.index("square")
    assert truth.size[4, 1] == 1 + list(SIZES).index("large")
    assert set(np.unique(truth.colour)) == {0, red, blue}
    assert truth.colour[7].sum() == 0, "nothing is at the bottom"
    for one in (one for one in placed(scene_of(RED, BLUE), 3.0) if one.group == 1):
        row, column = int(one.y / 45 - 0.5), int(one.x / 80 - 0.5)
        near = truth.colour[row : row + 2, column : column + 2]
        assert (near == blue).any(), "however small, it is seen in a patch"
    for name in ("shape", "size"):
        assert np.array_equal(getattr(truth, name) == 0, truth.colour == 0)


def test_what_lies_in_front_is_what_a_patch_shows() -> None:
    host = replace(RED, x=320, y=180)
    guest = Group("circle", "white", "small", 1, "still", 320, 180, 23)
    truth = patch_truth(scene_of(host, guest), 0.0, 9, 9)
    assert truth.colour[4, 4] == 1 + list(COLOURS).index("white")
    assert (truth.colour == 1 + list(COLOURS).index("red")).any()
