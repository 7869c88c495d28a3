"""open_clip by the real loading code, on an untrained model in the real format."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from vta_stream.models.base import ModelLoader
from vta_stream.models.image_text import OpenClip
from vta_stream.settings.work import ModelSettings, ModelsSettings


def loader(**changes: object) -> ModelLoader:
    return ModelLoader(ModelsSettings(**{"device": "cpu", "threads": 1, **changes}))


@pytest.fixture(scope="module")
def model(tiny_clip: Path) -> OpenClip:
    loaded = OpenClip(ModelSettings(name=f"local-dir:{tiny_clip}"), loader(batch_max=4))
    loaded.setup()
    return loaded


def pictures(count: int) -> list[np.ndarray]:
    """Pictures of as many sizes."""
    generator = np.random.default_rng(1)
    return [generator.integers(0, 256, (30 + 7 * n, 90 - 5 * n, 3), dtype=np.uint8) for n in range(count)]


def test_embeddings_have_length_one_and_a_row_each(model: OpenClip) -> None:
    for vectors in (model.embed_images(pictures(7)), model.embed_texts([str(n) for n in range(7)])):
        assert vectors.shape == (7, model.dim)
        assert vectors.dtype == np.float32
        assert np.linalg.norm(vectors, axis=1) == pytest.approx(np.ones(7), abs=1e-5)


def test_nothing_in_nothing_out(model: OpenClip) -> None:
    assert model.embed_images([]).shape == model.embed_texts([]).shape == (0, model.dim)


def test_batches_do_not_change_the_rows(model: OpenClip) -> None:
    images, texts = pictures(9), [f"text number {n}" for n in range(9)]
    assert model.embed_images(images) == pytest.approx(
        np.vstack([model.embed_images([each]) for each in images]), abs=1e-5
    )
    assert model.embed_texts(texts) == pytest.approx(np.vstack([model.embed_texts([each]) for each in texts]), abs=1e-5)


def test_different_inputs_differ(model: OpenClip) -> None:
    one, other = model.embed_images(pictures(2))
    assert not np.allclose(one, other, atol=1e-3)
    one, other = model.embed_texts(["a red circle", "a blue square"])
    assert not np.allclose(one, other, atol=1e-3)


def test_texts_beyond_the_context_are_cut(model: OpenClip) -> None:
    exactly = "red " * 75  # and the start and the end token: 77
    longer, cut = model.embed_texts([exactly + "blue green", exactly])
    assert longer == pytest.approx(cut)


def test_the_preprocessing_is_the_models_own(model: OpenClip) -> None:
    """Squashed, as the model's folder says, and not cropped: the sides of a wide picture count."""
    wide = np.zeros((40, 400, 3), dtype=np.uint8)
    sides = wide.copy()
    sides[:, :100] = sides[:, 300:] = 255
    one, other = model.embed_images([wide, sides])
    assert not np.allclose(one, other, atol=1e-3)


def test_the_identity_follows_the_weights(tiny_clip: Path, model: OpenClip, tmp_path: Path) -> None:
    from tests.models.tiny_open_clip import make_tiny_clip

    again = OpenClip(ModelSettings(name=str(make_tiny_clip(tmp_path / "tiny-clip"))), loader())
    other = OpenClip(ModelSettings(name=str(make_tiny_clip(tmp_path / "two" / "tiny-clip", seed=1))), loader())
    again.setup()
    other.setup()
    assert again.model_id == model.model_id == f"tiny-clip@{model.model_id.partition('@')[2]}"
    assert other.model_id != model.model_id
    assert other.model_id.startswith("tiny-clip@")


def test_half_precision_is_told_apart(tiny_clip: Path, model: OpenClip) -> None:
    half = OpenClip(ModelSettings(name=str(tiny_clip)), loader(precision="bf16"))
    half.setup()
    assert half.model_id == f"{model.model_id}/bf16"
    assert half.embed_images(pictures(3)) == pytest.approx(model.embed_images(pictures(3)), abs=0.05)


def test_use_before_setup_is_a_defect(tiny_clip: Path) -> None:
    with pytest.raises(RuntimeError, match="setup"):
        OpenClip(ModelSettings(name=str(tiny_clip)), loader()).embed_texts(["a"])
