import re
from pathlib import Path

import pytest
import torch

from vta_stream.models.base import LoadedModel, ModelLoader
from vta_stream.settings.work import ModelSettings, ModelsSettings
from vta_stream.toyworld.training.sight.batches import Tokens
from vta_stream.toyworld.training.sight.model import (
    CONTEXT,
    END,
    GRID,
    PAD,
    START,
    UNKNOWN,
    encode_texts,
    make_network,
    vocabulary,
    write_model,
)
from vta_stream.toyworld.world.grammar import words
from vta_stream.toyworld.world.vocabulary import FILLERS, FOREIGN

TEXTS = ["A red circle is above two small stars.", "Let us go on.", "watch HOW the moon spins", ""]


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> LoadedModel:
    """Untrained, written and read as a user's model would be."""
    folder = tmp_path_factory.mktemp("model") / "sight"
    write_model(folder, make_network(0).state_dict())
    return ModelLoader(ModelsSettings(device="cpu")).load(ModelSettings(name=str(folder)), "setting", "purpose")


def test_small_and_readable_by_all(tmp_path: Path) -> None:
    write_model(tmp_path, make_network(0).state_dict())
    assert sum(file.stat().st_size for file in tmp_path.iterdir()) < 12_000_000
    assert all(file.stat().st_mode & 0o444 == 0o444 for file in tmp_path.iterdir())


def test_the_same_seed_gives_the_same_network_with_nothing_left_to_chance() -> None:
    one, again = (make_network(3).state_dict() for _ in range(2))
    assert all(torch.equal(one[name], again[name]) for name in one)
    assert all(tensor.isfinite().all() and tensor.abs().max() < 20 for tensor in one.values())


def test_from_the_beginning_no_two_edges_of_a_picture_look_alike() -> None:
    positions = make_network(0).visual.positional_embedding[1:].detach().unflatten(0, GRID)
    rows, columns = positions.mean(dim=1), positions.mean(dim=0)
    for edges in (rows, columns):
        between = torch.cdist(edges, edges)
        assert between[0].argmax() == len(edges) - 1
        assert between[0, -1] > 2 * between[0, 1]


def test_training_and_shipping_read_texts_alike(loaded: LoadedModel) -> None:
    shipped, trained = loaded.tokenizer(TEXTS), Tokens("cpu")(TEXTS)
    assert shipped.shape == (len(TEXTS), CONTEXT)
    assert torch.equal(shipped[:, : trained.shape[1]], trained)
    assert (shipped[:, trained.shape[1] :] == vocabulary().index(PAD)).all()
    ids = shipped[0].tolist()
    assert ids[0] == vocabulary().index(START)
    assert vocabulary()[max(ids)] == END
    assert loaded.tokenizer.tokenizer.decode(ids, skip_special_tokens=True) == "a red circle is above two small stars"


def test_the_world_s_words_are_known_and_foreign_ones_are_not(loaded: LoadedModel) -> None:
    unknown = vocabulary().index(UNKNOWN)
    known = loaded.tokenizer([*words(), *FILLERS])
    assert (known != unknown).all()
    foreign = loaded.tokenizer([text for texts in FOREIGN.values() for text in texts])
    said = re.findall(r"\w+", " ".join(text for texts in FOREIGN.values() for text in texts))
    assert (foreign == unknown).sum() > 0.9 * len(said)


def test_short_rows_are_encoded_as_padded_ones(loaded: LoadedModel) -> None:
    texts = TEXTS[:3]
    with torch.inference_mode():
        whole, tokens = loaded.network._encode_text(loaded.tokenizer(texts), normalize=False)
        short, its_tokens = encode_texts(loaded.network, Tokens("cpu")(texts))
    assert torch.allclose(whole, short, atol=1e-4)
    assert torch.allclose(tokens[:, : its_tokens.shape[1]], its_tokens, atol=1e-4)
