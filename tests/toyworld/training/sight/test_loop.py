import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from vta_stream.toyworld.training.sight import batches, loop
from vta_stream.toyworld.training.sight.batches import Batch, Batches
from vta_stream.toyworld.training.sight.export import draw_curves
from vta_stream.toyworld.training.sight.loop import Run, Training
from vta_stream.toyworld.training.sight.losses import WEIGHTS, crowd_losses, losses, make_heads, picture_losses
from vta_stream.toyworld.training.sight.model import BOUNDARY, make_network
from vta_stream.toyworld.training.sight.pool import Crowds, Pool

SCENES = 6


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Pool:
    made = Pool(tmp_path_factory.mktemp("pool"), SCENES, 0)
    made.build()
    return made


@pytest.fixture(scope="module")
def crowds(tmp_path_factory: pytest.TempPathFactory) -> Crowds:
    made = Crowds(tmp_path_factory.mktemp("crowds"), SCENES, 0)
    made.build()
    return made


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "PICTURES", 8)


def drawn(pool: Pool, crowds: Crowds) -> Batches:
    return Batches(pool, crowds, 0, "cpu", torch.float32)


def test_a_batch_says_which_texts_hold_of_which_pictures(pool: Pool, crowds: Crowds) -> None:
    batch = drawn(pool, crowds).draw(0)
    texts = sum(len(part) for part in batch.tokens)
    assert batch.pixels.shape == (8, 3, 96, 176)
    assert batch.pixels.abs().max() <= 1
    assert batch.truth.shape == batch.own.shape == (texts, 8)
    assert batch.truth[:8].diagonal().all(), "captions hold of their pictures"
    assert batch.own[:8].equal(torch.eye(8, dtype=torch.bool))
    strangers = ~batch.own.any(dim=1)
    assert strangers.sum() >= 1
    assert batch.truth[strangers].sum() == 0
    assert 0.3 < batch.truth[batch.own].mean() < 0.9, "many of a picture's own texts are wrong"
    assert batch.seen.shape == (8, 66, 4)


def test_batches_come_from_seed_and_number(pool: Pool, crowds: Crowds) -> None:
    one, again, other = drawn(pool, crowds).draw(3), drawn(pool, crowds).draw(3), drawn(pool, crowds).draw(4)
    assert torch.equal(one.pixels, again.pixels)
    assert all(torch.equal(a, b) for a, b in zip(one.tokens, again.tokens, strict=True))
    assert not torch.equal(one.pixels, other.pixels)


def test_bright_crowds_alone_where_asked_for(crowds: Crowds, pool: Pool) -> None:
    batches = drawn(pool, crowds)
    bright, dull = (np.unique(batches.crowd(0, bright=one).seen.flatten(1), axis=0) for one in (True, False))
    assert len(bright) <= crowds.bright < len(dull)


def test_without_texts_the_pictures_are_the_same(pool: Pool, crowds: Crowds) -> None:
    assert torch.equal(drawn(pool, crowds).draw(3, texts=False).pixels, drawn(pool, crowds).draw(3).pixels)


def test_losses_begin_at_chance_and_all_of_them_teach(pool: Pool, crowds: Crowds) -> None:
    network, heads, batch = make_network(0), make_heads("cpu"), drawn(pool, crowds).draw(0)
    found = losses(network, heads, batch)
    found |= crowd_losses(network, heads, drawn(pool, crowds).crowd(0))
    assert set(found) == set(WEIGHTS)
    assert 4.5 < found["caption"] < 6, "the logarithm of the vocabulary, not 1e18"
    for name, loss in picture_losses(network, heads, batch).items():
        assert loss.item() == pytest.approx(found[name].item(), rel=1e-4)
    torch.stack(list(found.values())).sum().backward()
    unmoved = {name for name, one in network.named_parameters() if one.grad is None}
    assert unmoved == {"logit_bias"}, "it is set by the scale"


def test_a_killed_training_goes_on_as_if_nothing_had_been(
    pool: Pool, crowds: Crowds, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The steps after the checkpoint are made again, with the same batches."""
    monkeypatch.setattr(loop, "_SAVE_EVERY_S", 0.0)  # after each step
    monkeypatch.setattr(loop, "_REPORT_EVERY", 1)
    whole, broken = (Run(tmp_path / name, 4, SCENES, SCENES, 0) for name in ("whole", "broken"))
    for run in (whole, broken):
        run.work.mkdir()
    finished = Training(whole, "cpu")
    finished.go(pool, crowds, lambda line: None, lambda training: {})

    class Killed(BaseException):
        pass

    def tell(line: str) -> None:
        if line.startswith("step 3/"):
            raise Killed

    with pytest.raises(Killed):
        Training(broken, "cpu").go(pool, crowds, tell, lambda training: {})
    resumed = Training(broken, "cpu")
    assert resumed.step == 2
    (broken.work / "checkpoint.partial").write_bytes(b"half a checkpoint")
    resumed = Training(broken, "cpu")
    resumed.go(pool, crowds, lambda line: None, lambda training: {})
    for name, weights in finished.state().items():
        assert torch.allclose(weights, resumed.state()[name], atol=1e-5), name
    steps = [json.loads(line)["step"] for line in (broken.work / "curve.jsonl").read_text().splitlines()]
    assert steps[-1] == 4


def test_training_teaches(pool: Pool, crowds: Crowds, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Even a dozen steps on a few pictures."""
    monkeypatch.setattr(loop, "_WARM_UP_STEPS", 2)
    monkeypatch.setattr(loop, "_REPORT_EVERY", 4)
    Training(Run(tmp_path, 12, SCENES, SCENES, 0), "cpu").go(pool, crowds, lambda line: None, lambda training: {})
    points = [json.loads(line) for line in (tmp_path / "curve.jsonl").read_text().splitlines()]
    first, last = (point for point in points if point["step"] in (4, 12) and "patches" in point)
    assert last["patches"] < 0.9 * first["patches"]
    assert last["caption"] < 0.95 * first["caption"]


def test_the_last_steps_raise_the_boundary(
    pool: Pool, crowds: Crowds, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Four steps, of which the last is about texts, and half as many to calibrate."""
    told: list[float] = []

    def noted(network: Any, heads: Any, batch: Batch, boundary: float) -> dict[str, torch.Tensor]:
        told.append(boundary)
        return picture_losses(network, heads, batch)

    monkeypatch.setattr(loop, "_CALIBRATION_SHARE", 0.5)
    monkeypatch.setattr(loop, "losses", noted)
    training = Training(Run(tmp_path, 4, SCENES, SCENES, 0), "cpu")
    training.go(pool, crowds, lambda line: None, lambda training: {})
    assert training.step == training.last_step == 6
    assert told == [BOUNDARY, loop._CALIBRATION_BOUNDARY, loop._CALIBRATION_BOUNDARY]
    assert loop._CALIBRATION_BOUNDARY > BOUNDARY


def test_curves_are_drawn(tmp_path: Path) -> None:
    curve = [{"step": step, "seconds": step, "own": 1 / step} for step in (1, 5, 3, 9)]
    curve += [{"step": step, "other scene": step / 10} for step in (5, 9)]
    draw_curves(curve, tmp_path / "curves.png")
    with Image.open(tmp_path / "curves.png") as picture:
        assert np.asarray(picture).std() > 5
