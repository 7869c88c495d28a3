"""Images to sentences: CoCa, through open_clip."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from vta_stream.models.base import LoadedModel, Missing, ModelLoader, pixels
from vta_stream.settings.work import ModelSettings

if TYPE_CHECKING:
    import torch

    from vta_stream.ports import Images

TOKENS_MAX = 48
"""Tokens a caption at most, start and end included. MS COCO's captions have about a dozen words."""

PURPOSE = "writes captions"


class CoCa:
    """`ports.CaptionModel` by open_clip's CoCa, decoded greedily.

    The decoding is our own: `CoCa.generate` needs a transformers older than 4.57. Greedy decoding of one
    picture gives the same sentence every time, whatever else is in the batch. `model_id` exists after `setup`.
    """

    model_id: str

    def __init__(self, settings: ModelSettings, loader: ModelLoader, setting: str = "models.captions") -> None:
        self._settings = settings
        self._loader = loader
        self._setting = setting
        self._loaded: LoadedModel | None = None

    def setup(self) -> None:
        """Load the weights; cheap if they are loaded. Raises TerminalError `model_missing`, also for no CoCa."""
        with self._loader.lock:
            if self._loaded is not None:
                return
            loaded = self._loader.load(self._settings, self._setting, PURPOSE)
            missing = Missing(self._settings, self._setting, PURPOSE)
            if not hasattr(loaded.network, "text_decoder"):
                raise missing.error("it is no CoCa: it has no text decoder")
            try:
                special_tokens(loaded.tokenizer)
            except ValueError as error:
                raise missing.error(str(error)) from error
            self.model_id = loaded.model_id
            self._loaded = loaded

    def caption(self, images: Sequence[Images]) -> Sequence[str]:
        """One sentence an image, empty where the model ends at once; blocking."""
        import torch

        loaded = self._loaded
        if loaded is None:
            raise RuntimeError("setup() has not been called")
        texts: list[str] = []
        size = self._loader.settings.batch_max
        for start in range(0, len(images), size):
            with self._loader.computing(), torch.inference_mode():
                batch = pixels(loaded, images[start : start + size], self._loader.device)
                texts.extend(_texts(loaded.tokenizer, _decode_greedily(loaded, batch).tolist()))
        return texts


def _decode_greedily(loaded: LoadedModel, batch: torch.Tensor) -> torch.Tensor:
    """Token rows (images, tokens), each from its start token on; what follows an end token means nothing."""
    import torch

    network = loaded.network
    start, end = special_tokens(loaded.tokenizer)
    latent, embeddings = network._encode_image(batch)
    tokens = torch.full((len(batch), 1), start, dtype=torch.long, device=batch.device)
    ended = torch.zeros(len(batch), dtype=torch.bool, device=batch.device)
    for _ in range(min(TOKENS_MAX, network.context_length) - 1):
        # Without a cache of keys and values: open_clip's decoder has none, and captions are short.
        answer = network(None, tokens, image_latent=latent, image_embs=embeddings, output_labels=False)
        chosen = answer["logits"][:, -1].argmax(dim=-1)
        # open_clip masks padding in the text tower, so rows that ended stay inert.
        chosen = torch.where(ended, torch.full_like(chosen, network.pad_id), chosen)
        tokens = torch.cat([tokens, chosen[:, None]], dim=1)
        ended |= chosen == end
        if bool(ended.all()):
            break
    return tokens


def special_tokens(tokenizer: Any) -> tuple[int, int]:
    """The ids of the start and the end token, of open_clip's own tokenizer or of a Hugging Face one."""
    inner = getattr(tokenizer, "tokenizer", None)
    if inner is None:
        return int(tokenizer.sot_token_id), int(tokenizer.eot_token_id)
    start = inner.bos_token_id if inner.bos_token_id is not None else inner.cls_token_id
    end = inner.eos_token_id if inner.eos_token_id is not None else inner.sep_token_id
    if start is None or end is None:
        raise ValueError("the tokenizer has no start and end tokens, so nothing can be decoded with it")
    return int(start), int(end)


def _texts(tokenizer: Any, rows: list[list[int]]) -> list[str]:
    start, end = special_tokens(tokenizer)
    texts = []
    for row in rows:
        kept = row[1 : row.index(end)] if end in row else row[1:]
        kept = [token for token in kept if token != start]
        inner = getattr(tokenizer, "tokenizer", None)
        text = tokenizer.decode(kept) if inner is None else inner.decode(kept, skip_special_tokens=True)
        texts.append(" ".join(text.split()))
    return texts
