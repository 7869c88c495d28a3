import math
import random
from pathlib import Path

import numpy as np

from vta_stream.toyworld.training.sight.crowds import compose_crowd
from vta_stream.toyworld.training.sight.model import GRID
from vta_stream.toyworld.training.sight.pool import Crowds
from vta_stream.toyworld.world.vocabulary import COLOURS, SHAPES, SIZES


def test_a_crowd_has_many_shapes_that_do_not_hide_each_other() -> None:
    rng = random.Random(1)
    crowds = [compose_crowd(rng) for _ in range(20)]
    assert sum(len(crowd.groups) for crowd in crowds) > 20 * 9
    assert {group.shape for crowd in crowds for group in crowd.groups} == set(SHAPES)
    for crowd in crowds:
        for index, one in enumerate(crowd.groups):
            for other in crowd.groups[:index]:
                assert math.dist((one.x, one.y), (other.x, other.y)) > 0.9 * (one.radius_px + other.radius_px)


def test_bright_crowds_are_lighter_than_their_backdrop_and_the_first_of_a_pool(tmp_path: Path) -> None:
    rng = random.Random(2)
    for _ in range(20):
        crowd = compose_crowd(rng, bright=True)
        for group in crowd.groups:
            assert sum(COLOURS[group.colour]) > max(sum(crowd.backdrop.first), sum(crowd.backdrop.second)) + 150
    crowds = Crowds(tmp_path, 16, 0)
    crowds.build()
    colours = list(COLOURS)
    shown = [{colours[n - 1] for n in np.unique(row[:, 2]) if n} for row in crowds.seen]
    assert crowds.bright == 2
    assert all("black" not in one and "blue" not in one for one in shown[:2])
    assert {"black", "blue"} <= set.union(*shown[2:])


def test_most_patches_of_a_crowd_show_something_and_the_colours_are_there(tmp_path: Path) -> None:
    crowds = Crowds(tmp_path, 30, 0)
    crowds.build()
    assert crowds.ready == len(crowds.frames) == 30
    assert crowds.seen.shape == (30, GRID[0] * GRID[1], 4)
    shows = crowds.seen[..., 3] > 0
    assert shows.mean() > 0.4
    assert (crowds.seen[..., 0] == 0).all()
    assert ((crowds.seen[..., 1:] > 0).all(axis=-1) == shows).all()
    assert crowds.seen.max(axis=(0, 1)).tolist()[1:] == [len(SIZES), len(COLOURS), len(SHAPES)]
    again = Crowds(tmp_path, 30, 0)
    assert np.array_equal(again.frames, crowds.frames)
