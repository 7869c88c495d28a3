"""What the network is told: which texts hold of which pictures, what each patch shows, how to say it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vta_stream.toyworld.training.sight.model import BOUNDARY, PAD, WIDTH, encode_texts, vocabulary
from vta_stream.toyworld.world.vocabulary import COLOURS, COUNTS, PLACES, RELATIONS, SHAPES, SIZES

if TYPE_CHECKING:
    from collections.abc import Mapping

    import torch

    from vta_stream.toyworld.training.sight.batches import Batch, CrowdBatch

SEEN = {"count": len(COUNTS), "size": len(SIZES), "colour": len(COLOURS), "shape": len(SHAPES)}
"""What each patch is asked for, in the order of FACTS, and how many values there are beside "nothing"."""

_SEEN_WEIGHTS = {"count": 1.0, "size": 1.0, "colour": 1.0, "shape": 3.0}
"""Shapes are the last that a network of patches learns to tell."""

SCALE_MAX = 40.0
"""Of the logits, so that a cosine stays a matter of degree."""


WEIGHTS = {"own": 1.0, "other": 3.0, "where": 0.5, "patches": 2.0, "crowd": 2.0, "scene": 3.0, "caption": 0.5}
"""Of the losses, in their sum. `own`: texts about the picture itself, many of them wrong; `other`: those of others."""

_KEYS = len(COLOURS) + len(SHAPES)
_ASKED = {"there": 1, **SEEN, "centre": 2, "places": len(PLACES), "relations": len(RELATIONS)}
_CENTRE_WEIGHT = 6.0
"""Who is told places and relations alone learns what is in the middle and what is not, and in ten thousand steps never
that left is not right: to both sides of a picture the same is said as often. A number has a slope to go down.
"""


def make_heads(device: str) -> Any:
    """What is needed in training alone: `patches` reads off a patch what it shows, `scene` off a picture's vector
    what there is of each colour and of each shape.
    """
    import torch

    patches = torch.nn.Linear(WIDTH, sum(values + 1 for values in SEEN.values()))
    scene = torch.nn.Linear(WIDTH, _KEYS * sum(_ASKED.values()))
    with torch.no_grad():
        centres = scene.weight.view(_KEYS, -1, WIDTH)[:, 1 + sum(SEEN.values()) :][:, :2]
        centres[:] = centres[0].clone()  # one place for the centre of whatever it is, until there is need of more
    return torch.nn.ModuleDict({"patches": patches, "scene": scene}).to(device)


def picture_losses(network: Any, heads: Any, batch: Batch) -> dict[str, torch.Tensor]:
    """Those that need no texts, at half the cost."""
    return _looked_at(network, heads, batch)[2]


def crowd_losses(network: Any, heads: Any, batch: CrowdBatch) -> dict[str, torch.Tensor]:
    """What each patch of a crowd shows; nothing is asked about the whole."""
    _, patches = network._encode_image(batch.pixels)
    return {"crowd": _patch_loss(heads["patches"](patches).float(), batch.seen, {**_SEEN_WEIGHTS, "count": 0.0})}


def losses(network: Any, heads: Any, batch: Batch, boundary: float = BOUNDARY) -> dict[str, torch.Tensor]:
    """All of WEIGHTS but `crowd`, each a scalar, by one pass forward.

    At a cosine of `boundary`, a text is as likely true as not.
    """
    import torch
    from torch.nn import functional

    latent, patches, found = _looked_at(network, heads, batch)
    encoded, tokens = zip(*(encode_texts(network, part) for part in batch.tokens), strict=True)
    texts = functional.normalize(torch.cat(encoded).float(), dim=-1)
    scale = network.logit_scale.float().exp().clamp(max=SCALE_MAX)
    logits = scale * (texts @ latent.float().T - boundary)
    table = functional.binary_cross_entropy_with_logits(logits, batch.truth, reduction="none")
    own = batch.own.float()
    words = network.text_decoder(patches, tokens[0][:, :-1])
    said = functional.cross_entropy(
        words.float().flatten(0, 1), batch.tokens[0][:, 1:].flatten(), ignore_index=vocabulary().index(PAD)
    )
    return found | {
        "own": (table * own).sum() / own.sum(),
        "other": (table * (1 - own)).sum() / (1 - own).sum(),
        "where": _where_loss(_answers(heads, texts), batch),
        "caption": said,
    }


def _where_loss(answers: torch.Tensor, batch: Batch) -> torch.Tensor:
    """`answers`: texts x _KEYS x _ASKED. Where a text says that something is, by the same head that reads pictures.

    Without it "to the left of" meant the same as "to the right of" to the texts' side, ten thousand steps after the
    pictures' side told them apart: as long as two texts have one vector, no picture pulls them asunder.
    """
    from torch.nn import functional

    text, key, predicate = batch.where.unbind(dim=1)
    asked = answers[text, key, -(len(PLACES) + len(RELATIONS)) :]
    return functional.cross_entropy(asked, predicate, reduction="sum") / max(1, len(predicate))


def _answers(heads: Any, vectors: torch.Tensor) -> Any:
    """What the `scene` head says of unit vectors: n x _KEYS x _ASKED."""
    head = heads["scene"]
    return head(vectors.to(head.weight.dtype) * WIDTH**0.5).float().unflatten(1, (_KEYS, -1))


def _looked_at(network: Any, heads: Any, batch: Batch) -> tuple[torch.Tensor, torch.Tensor, dict[str, torch.Tensor]]:
    latent, patches = network._encode_image(batch.pixels)
    answers = _answers(heads, latent)
    return (
        latent,
        patches,
        {
            "patches": _patch_loss(heads["patches"](patches).float(), batch.seen, _SEEN_WEIGHTS),
            "scene": _scene_loss(answers, batch),
        },
    )


def _scene_loss(answers: torch.Tensor, batch: Batch) -> torch.Tensor:
    """`answers`: pictures x _KEYS x _ASKED. Each group is asked for by its colour and by its shape.

    What a picture's vector tells to a linear layer, a text's vector can ask of it: this is learnt from all facts of a
    picture at once, long before sentences teach it.
    """
    import torch
    from torch.nn import functional

    groups = batch.groups
    keys = torch.stack([groups[..., 2] - 1, len(COLOURS) + groups[..., 3] - 1], dim=2).flatten(1)
    shown = (groups[..., 0] > 0).repeat_interleave(2, dim=1)  # pictures x 4: two groups, two keys each
    keys = keys.where(shown, torch.zeros_like(keys))
    there, *parts = answers.split_with_sizes(list(_ASKED.values()), dim=2)
    present = torch.zeros_like(there[..., 0]).scatter_reduce(1, keys, shown.float(), "amax")
    total = functional.binary_cross_entropy_with_logits(
        there[..., 0], present, pos_weight=torch.tensor(4.0, device=there.device)
    )
    parts = [part.gather(1, keys[..., None].expand(-1, -1, part.shape[2]))[shown] for part in parts]
    for index, name in enumerate(SEEN):
        values = (groups[..., index] - 1).repeat_interleave(2, dim=1)[shown]
        total = total + (2.0 if name == "shape" else 1.0) * functional.cross_entropy(parts[index], values)
    wanted = batch.centres.repeat_interleave(2, dim=1)[shown]
    known = wanted.isfinite().all(dim=1)
    total = total + _CENTRE_WEIGHT * functional.mse_loss(parts[len(SEEN)][known], wanted[known])
    for part, facts in zip(parts[len(SEEN) + 1 :], (batch.places, batch.relations), strict=True):
        wanted = facts.repeat_interleave(2, dim=1)[shown]
        total = total + 3 * functional.binary_cross_entropy_with_logits(part, wanted)
    return total / 8


def _patch_loss(answers: Any, seen: torch.Tensor, asked: Mapping[str, float]) -> torch.Tensor:
    """`seen`: pictures x patches x SEEN; `asked`: how much each counts. Patches that show something count as much as
    all the others.
    """
    import torch
    from torch.nn import functional

    shows = (seen[..., -1] > 0).float()
    weights = shows / shows.sum().clamp(min=1) + (1 - shows) / (1 - shows).sum().clamp(min=1)
    total = torch.zeros((), device=answers.device)
    for index, (name, part) in enumerate(zip(SEEN, answers.split([v + 1 for v in SEEN.values()], dim=-1), strict=True)):
        if asked[name]:
            loss = functional.cross_entropy(part.flatten(0, 1), seen[..., index].flatten(), reduction="none")
            total = total + asked[name] * (loss * weights.flatten()).sum() / 2
    return total / sum(asked.values())
