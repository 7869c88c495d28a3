"""CoCa's captions by our own greedy decoding, on an untrained model in the real format."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from vta_stream.models.base import ModelLoader, pixels
from vta_stream.models.coca import TOKENS_MAX, CoCa, _decode_greedily, special_tokens
from vta_stream.models.image_text import OpenClip
from vta_stream.ports import TerminalError
from vta_stream.settings.work import ModelSettings, ModelsSettings


@pytest.fixture(scope="module")
def loader() -> ModelLoader:
    return ModelLoader(ModelsSettings(device="cpu", threads=1, batch_max=2))


@pytest.fixture(scope="module")
def model(tiny_coca: Path, loader: ModelLoader) -> CoCa:
    loaded = CoCa(ModelSettings(name=str(tiny_coca)), loader)
    loaded.setup()
    return loaded


def pictures(count: int) -> list[np.ndarray]:
    generator = np.random.default_rng(2)
    return [generator.integers(0, 256, (40 + n, 60, 3), dtype=np.uint8) for n in range(count)]


def test_a_sentence_a_picture_in_order_whatever_the_batch(model: CoCa) -> None:
    images = pictures(3)
    together = model.caption(images)
    assert list(together) == [model.caption([each])[0] for each in images]
    assert len(set(together)) == 3, "an untrained model babbles, but of each picture its own"
    assert model.caption([]) == []


def test_no_special_tokens_in_the_text(model: CoCa) -> None:
    for text in model.caption(pictures(3)):
        assert "_of_text" not in text
        assert text == " ".join(text.split())


def test_greedy_is_the_best_token_each_time(model: CoCa, loader: ModelLoader) -> None:
    """Against open_clip's own forward pass with the whole sentence given at once."""
    loaded = loader.load(model._settings, "models.captions", "is tested")
    batch = pixels(loaded, pictures(2), "cpu")
    with torch.inference_mode():
        tokens = _decode_greedily(loaded, batch)
        logits = loaded.network(batch, tokens[:, :-1], output_labels=False)["logits"]
    assert tokens.shape == (2, TOKENS_MAX)
    assert torch.equal(tokens[:, 0], torch.full((2,), special_tokens(loaded.tokenizer)[0]))
    assert torch.equal(logits.argmax(dim=-1), tokens[:, 1:])


def test_what_is_said_ends_with_the_end_token(model: CoCa, loader: ModelLoader) -> None:
    loaded = loader.load(model._settings, "models.captions", "is tested")
    _, end = special_tokens(loaded.tokenizer)
    projection = loaded.network.text_decoder.text_projection
    before = projection.detach().clone()
    with torch.no_grad():  # the end token wins always
        projection.zero_()
        projection[:, end] = loaded.network.text_decoder.ln_final.bias + 1
        loaded.network.text_decoder.ln_final.bias.add_(1)
    try:
        assert model.caption(pictures(3)) == ["", "", ""]
    finally:
        with torch.no_grad():
            projection.copy_(before)
            loaded.network.text_decoder.ln_final.bias.sub_(1)


def test_one_folder_serves_both_ports_with_one_network(tiny_coca: Path, model: CoCa, loader: ModelLoader) -> None:
    both = OpenClip(ModelSettings(name=f"local-dir:{tiny_coca}"), loader)
    both.setup()
    assert both.model_id == model.model_id
    assert both._loaded is model._loaded
    assert both.embed_images(pictures(2)).shape == (2, both.dim)
    assert both.embed_texts(["a", "b c"]).shape == (2, both.dim)


def test_a_clip_cannot_write(tiny_clip: Path, loader: ModelLoader) -> None:
    with pytest.raises(TerminalError, match=r"models\.captions.*writes captions.*it is no CoCa") as caught:
        CoCa(ModelSettings(name=str(tiny_clip)), loader).setup()
    assert caught.value.reason == "model_missing"
