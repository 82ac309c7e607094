"""What can be wrong with a trace, in sentences that name the array and the place in it.

`shapes` and `references` hold for every trace in memory; `sense` for what comes out of a file,
which may be of no router and no picture.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from limoe_core.trace.parts import DISTRIBUTIONS, IMAGE, MODALITIES, OTHER, TEXT, Pictures

if TYPE_CHECKING:
    from jaxtyping import Bool, Shaped

#: A `limoe_core.trace.RoutingTrace`, which stands on this module.
Trace = Any

#: Longest side of a picture in pixels or patches.
MOST_PIXELS = 16_384
#: Longest text in tokens.
MOST_PLACES = 2**20
#: Of routers, of a router's experts, of the kinds of tokens, of pictures.
MOST_ROUTERS, MOST_EXPERTS, MOST_KINDS, MOST_PICTURES = 1_024, 4_096, 32, 2**20
#: Of routers × pairs × experts, which measures have tables of; of choices in all.
MOST_CELLS, MOST_CHOICES = 2**25, 2**26
#: Of the tokens of a file, and of the characters of a kind's name, which is made for every token.
MOST_TOKENS, LONGEST_KIND = 2**22, 40
#: What shares may differ by that were kept in float16, or by thousands.
_ROUNDING = 0.02


def shapes(trace: Trace) -> Iterator[str]:
    """Arrays whose shapes do not fit together."""
    layers, tokens, _ = trace.expert.shape
    pairs = len(trace.captions)
    wanted: dict[str, tuple[int | None, ...]] = {
        "layers": (layers,),
        **dict.fromkeys(("modality", "pair", "position", "piece", "kind", "picture"), (tokens,)),
        "box": (tokens, 4),
        "offset": (tokens, 2),
        **dict.fromkeys(("gate", "dropped"), trace.expert.shape),
        **dict.fromkeys(("probs", "hidden", "score"), (layers, tokens, None)),
        "score_expert": (layers, tokens, None) if trace.score is None else trace.score.shape,
        "prompts": (pairs,),
    }
    for name, shape in wanted.items():
        array = getattr(trace, name)
        if array is None:
            continue
        fits = array.ndim == len(shape) and all(
            size in (found, None) for size, found in zip(shape, array.shape, strict=True)
        )
        if not fits:
            expected = "(" + ", ".join("*" if n is None else str(n) for n in shape) + ")"
            yield f"{name} has shape {array.shape}, expected {expected}"
    for name in ("image_embeddings", "text_embeddings"):
        if getattr(trace, name).shape[0] != pairs:
            yield f"{name} is not one row for each of {pairs} captions"
    for key, values in trace.meta.items():
        if values.shape != (pairs,):
            yield f"meta[{key!r}] has shape {values.shape}, not ({pairs},)"
    if (trace.score is None) != (trace.score_expert is None):
        yield "score and score_expert come together, and one is missing"
    if (trace.pictures is None) != (trace.picture is None):
        yield "the table of pictures and the picture of each token come together; one is missing"
    yield from _shapes_of_routers(trace)


def _shapes_of_routers(trace: Trace) -> Iterator[str]:
    layers, experts, routers = trace.num_layers, trace.num_experts, trace.routers
    if routers is None:
        if trace.probs is None:
            yield "without probs, routers must say how many experts there are"
        return
    if routers.experts.shape != (layers,):
        yield f"{len(routers.experts)} routers are described, expected {layers} as in expert"
    elif (bad := (routers.experts < 1) | (routers.experts > experts)).any():
        yield f"routers.experts{_at(bad)} is {_first(bad, routers.experts)}, not 1 to {experts}"
    kinds = (layers, len(trace.kinds), experts)
    if routers.reachable is not None and routers.reachable.shape != kinds:
        yield f"reachable has shape {routers.reachable.shape}, expected {kinds}"
    if routers.bias is not None and routers.bias.shape != (layers, experts):
        yield f"bias has shape {routers.bias.shape}, expected {(layers, experts)}"


def references(trace: Trace) -> Iterator[str]:
    """Numbers that name what is not there."""
    pairs, tokens = len(trace.captions), trace.num_tokens
    if tokens and (bad := (trace.pair < 0) | (trace.pair >= pairs)).any():
        yield f"pair{_at(bad)} is {_first(bad, trace.pair)}, a pair outside 0..{pairs - 1}"
    if trace.kind is not None and (bad := trace.kind >= len(trace.kinds)).any():
        yield (
            f"kind{_at(bad)} is {_first(bad, trace.kind)}, outside 0..{len(trace.kinds) - 1}, the "
            f"kinds {', '.join(trace.kinds)}"
        )
    most = trace.experts[:, None, None]
    bad = (trace.expert < -1) | (trace.expert >= most)
    if bad.any():
        router = int(np.argwhere(bad)[0][0])
        last = trace.experts[router] - 1
        yield (
            f"expert{_at(bad)} is {_first(bad, trace.expert)}, outside 0..{last}, the experts of "
            f"{trace.names[router]} (-1 for no choice)"
        )
    if trace.score_expert is not None:
        bad = (trace.score_expert < 0) | (trace.score_expert >= most)
        if bad.any():
            yield f"score_expert{_at(bad)} names an expert outside of its router's"
    if trace.pictures is not None:
        yield from _references_to_pictures(trace, pairs)


def _references_to_pictures(trace: Trace, pairs: int) -> Iterator[str]:
    pictures: Pictures = trace.pictures
    bad = (pictures.pair < 0) | (pictures.pair >= pairs)
    if bad.any():
        yield f"pictures.pair{_at(bad)} names a pair outside 0..{pairs - 1}"
        return
    bad = (trace.picture < -1) | (trace.picture >= len(pictures))
    if bad.any():
        yield (
            f"picture{_at(bad)} is {_first(bad, trace.picture)}, outside 0..{len(pictures) - 1} "
            "(-1 for no picture)"
        )
        return
    if len(pictures):
        bad = (trace.picture >= 0) & (pictures.pair[trace.picture] != trace.pair)
        if bad.any():
            yield f"picture{_at(bad)} is of another pair than its token"


def sense(trace: Trace) -> Iterator[str]:
    """Values that no router and no picture gives, in the order of what depends on what."""
    yield from _sizes(trace)
    yield from _numbers(trace)
    if trace.layers.size and (trace.layers[0] < 1 or np.any(np.diff(trace.layers) <= 0)):
        yield "layers are not numbers of blocks or routers from 1 on, in rising order"
    yield from _choices(trace)
    yield from _kinds(trace)
    yield from _places(trace)


def _sizes(trace: Trace) -> Iterator[str]:
    layers, experts = trace.num_layers, trace.num_experts
    if not trace.top_k:
        yield f"expert has shape {trace.expert.shape}, so no token chooses anything"
    if layers > MOST_ROUTERS or experts > MOST_EXPERTS:
        yield (
            f"{layers:,} routers of {experts:,} experts are more than {MOST_ROUTERS:,} of "
            f"{MOST_EXPERTS:,}"
        )
    cells = layers * max(trace.num_pairs, 1) * experts
    if cells > MOST_CELLS:
        yield (
            f"{layers:,} routers × {trace.num_pairs:,} pairs × {experts:,} experts are "
            f"{cells:,}, and at most {MOST_CELLS:,} are read; keep fewer pairs in a file"
        )
    if trace.expert.size > MOST_CHOICES:
        yield f"expert has {trace.expert.size:,} choices; at most {MOST_CHOICES:,} are read"


def _numbers(trace: Trace) -> Iterator[str]:
    scaling = 1.0 if trace.routers is None else trace.routers.scaling
    limits = {"probs": 1.0, "score": 1.0, "gate": scaling}
    if trace.scoring not in (*DISTRIBUTIONS, "sigmoid", "sigmoid, chosen with a bias"):
        limits = dict.fromkeys(limits, np.inf)
    for name, most in limits.items():
        values = getattr(trace, name)
        if values is None:
            continue
        bad = ~((values >= 0) & (values <= most * (1 + _ROUNDING)) & np.isfinite(values))
        if bad.any():
            yield (
                f"{name}{_at(bad)} is {_first(bad, values)}; {name} holds shares of {most:g}: "
                "training diverged?"
            )
    if trace.probs is not None and trace.scoring in DISTRIBUTIONS:
        total = trace.probs.sum(axis=-1, dtype=np.float64)
        reached = np.ones(total.shape, bool) if trace.routers is None else trace.chose.any(axis=-1)
        bad = reached & ~(np.abs(total - 1) <= _ROUNDING)
        if bad.any():
            yield (
                f"probs{_at(bad)} sum to {_first(bad, total):.3g}, so they are no distributions "
                f"over experts, which {trace.scoring} gives"
            )
    for name in ("image_embeddings", "text_embeddings", "hidden"):
        values = getattr(trace, name)
        if values is not None and not np.isfinite(values).all():
            yield f"{name} holds values that are not finite: training diverged?"
    bias = None if trace.routers is None else trace.routers.bias
    if bias is not None and not np.isfinite(bias).all():
        yield "bias holds values that are not finite"
    if trace.image_embeddings.shape != trace.text_embeddings.shape:
        yield "image_embeddings and text_embeddings are of different shapes"


def _choices(trace: Trace) -> Iterator[str]:
    chosen = np.sort(trace.expert, axis=-1)
    bad = ((chosen[..., 1:] == chosen[..., :-1]) & (chosen[..., 1:] >= 0)).any(axis=-1)
    if bad.any():
        yield f"expert{_at(bad)}: a token chooses one expert twice"
    bad = (trace.expert[..., 1:] >= 0) & (trace.expert[..., :-1] < 0)
    if bad.any():
        yield f"expert{_at(bad)}: a choice follows -1; choices come first, and -1 last"
    reachable = None if trace.routers is None else trace.routers.reachable
    if reachable is not None:
        kind = trace.modality if trace.kind is None else trace.kind
        for layer in range(trace.num_layers):
            can = reachable[layer, kind[:, None], trace.expert[layer]]
            bad = (trace.expert[layer] >= 0) & ~can
            if bad.any():
                token, choice = np.argwhere(bad)[0]
                yield (
                    f"expert[{layer}, {token}, {choice}] is {trace.expert[layer, token, choice]}, "
                    f"which {trace.token_kinds[token]} tokens cannot reach by reachable"
                )


def _kinds(trace: Trace) -> Iterator[str]:
    named = trace.kinds
    if len(named) > MOST_KINDS or len(set(named)) < len(named):
        yield f"kinds are {len(named)} names; at most {MOST_KINDS} are read, each once"
    most = TEXT if trace.kind is None else OTHER
    if trace.modality.size and trace.modality.max() > most:
        bad = trace.modality > most
        yield f"modality{_at(bad)} is {_first(bad, trace.modality)}, neither 0 nor 1" + (
            " (2 needs kinds of tokens)" if trace.kind is None else " nor 2"
        )
    if trace.offset is not None:
        texts = trace.captions if trace.prompts is None else trace.prompts
        length = np.char.str_len(texts)[trace.pair] if trace.num_tokens else np.zeros(0, np.int64)
        start, end = trace.offset[:, 0], trace.offset[:, 1]
        bad = ~(((start == -1) & (end == -1)) | ((start >= 0) & (start <= end) & (end <= length)))
        if bad.any():
            yield f"offset{_at(bad)} does not lie in the text of its pair"


def _places(trace: Trace) -> Iterator[str]:
    """Tokens that lie nowhere, or where another one lies."""
    of_image = trace.token_kinds == MODALITIES[IMAGE]
    if trace.pictures is None:
        yield from _on_one_grid(trace, of_image)
        picture = np.where(of_image, 0, -1)
    else:
        yield from _on_grids(trace, of_image)
        picture = trace.picture
    position = trace.position.astype(np.int64)
    bad = ~of_image & ((position < 0) | (position >= MOST_PLACES))
    if bad.any():
        yield f"position{_at(bad)} is {_first(bad, position)}, outside of any text"
    places = np.stack([trace.pair, picture, position]).astype(np.int64)
    if len(np.unique(places, axis=1).T) != trace.num_tokens:
        yield "two tokens have one place: the same pair, picture and position"


def _on_one_grid(trace: Trace, of_image: Bool[np.ndarray, " T"]) -> Iterator[str]:
    size, grid = trace.image_size, trace.grid
    if not grid:
        if of_image.any():
            yield (
                f"token {int(of_image.argmax())} is of an image, and there is neither a table of "
                "pictures nor a grid in the header"
            )
        return
    if size % grid:
        yield f"{size} pixels are not {grid} whole patches"
        return
    position = trace.position.astype(np.int64)
    bad = of_image & ((position < 0) | (position >= grid**2))
    if bad.any():
        yield f"position{_at(bad)} is {_first(bad, position)}, outside of its picture"
        return
    bad = np.any(trace.box != grid_boxes(of_image, position, size, grid), axis=1)
    if bad.any():
        yield f"box{_at(bad)} is not that of its patch"


def _on_grids(trace: Trace, of_image: Bool[np.ndarray, " T"]) -> Iterator[str]:
    pictures: Pictures = trace.pictures
    if len(pictures) > MOST_PICTURES:
        yield f"{len(pictures):,} pictures are more than {MOST_PICTURES:,}"
    for name in ("rows", "columns", "width", "height"):
        values = getattr(pictures, name)
        bad = (values < 1) | (values > MOST_PIXELS)
        if bad.any():
            yield f"pictures.{name}{_at(bad)} is {_first(bad, values)}, not 1 to {MOST_PIXELS:,}"
            return
    bad = of_image != (trace.picture >= 0)
    if bad.any():
        token = int(bad.argmax())
        what = "no picture" if of_image[token] else "a picture and is no image token"
        yield f"token {token} has {what}"
        return
    owner, position = trace.picture[of_image], trace.position[of_image].astype(np.int64)
    if not len(owner):
        return
    cells = pictures.rows[owner].astype(np.int64) * pictures.columns[owner]
    bad = (position < 0) | (position >= cells)
    if bad.any():
        token = int(np.flatnonzero(of_image)[bad.argmax()])
        yield (
            f"position[{token}] is {_first(bad, position)}, outside of its picture of "
            f"{_first(bad, cells)} patches"
        )
    x0, y0, x1, y1 = trace.box[of_image].T
    width, height = pictures.width[owner], pictures.height[owner]
    bad = (x0 < 0) | (y0 < 0) | (x0 >= x1) | (y0 >= y1) | (x1 > width) | (y1 > height)
    if bad.any():
        yield f"box[{int(np.flatnonzero(of_image)[bad.argmax()])}] lies outside of its picture"


def grid_boxes(
    of_image: Bool[np.ndarray, " T"], position: Shaped[np.ndarray, " T"], size: int, grid: int
) -> Shaped[np.ndarray, "T 4"]:
    """Boxes of the patches of pictures that all have one square grid; -1 for other tokens."""
    if not grid:
        return np.full((len(position), 4), -1, np.int32)
    rows, columns = np.divmod(position.astype(np.int64), grid)
    corners = (size // grid) * np.stack([columns, rows, columns + 1, rows + 1], axis=-1)
    return np.where(of_image[:, None], corners, -1).astype(np.int32)


def _at(bad: np.ndarray) -> str:
    """The first place where it is so, as an index: "[3, 0]"."""
    return "[" + ", ".join(map(str, np.argwhere(bad)[0])) + "]"


def _first(bad: np.ndarray, values: np.ndarray) -> Any:
    """The value at that place."""
    return values[tuple(np.argwhere(bad)[0])]
