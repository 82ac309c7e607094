"""A small model with random weights and sharp routers, and pairs for it."""

from __future__ import annotations

import numpy as np

from limoe_core.inference import LoadedModel
from limoe_core.model.functional import FunctionalModel, initial_params
from limoe_core.presets import preset

TEXTS = ["red apple", "cat", "a dog", "коты", "りんご", "sun and moon"]


class ByteTokenizer:
    """Every byte of the text is a token; enough for a model that knows nothing."""

    def encode(self, texts, length):
        rows = np.zeros((len(texts), length), np.int32)
        for row, text in enumerate(texts):
            ids = self.encode_one(text, length).ids
            rows[row, : len(ids)] = ids
        return rows

    def encode_one(self, text, length):
        ids = [byte + 3 for byte in text.encode()][:length]

        class Encoded:
            pass

        encoded = Encoded()
        encoded.ids, encoded.pieces, encoded.cut = ids, [f"<0x{i - 3:02X}>" for i in ids], ""
        return encoded


def random_model() -> LoadedModel:
    """The debug preset with random weights."""
    config = preset("debug")
    params = initial_params(config, seed=1)
    # Sharper routers and stronger experts, so that switching one off can be felt.
    for block in params["blocks"].values():
        block["mlp"]["router"] = 20.0 * block["mlp"]["router"]
        block["mlp"]["w_out"] = 5.0 * block["mlp"]["w_out"]
    return LoadedModel(config, FunctionalModel.of(config), params, ByteTokenizer(), step=0)


def random_pictures() -> list[np.ndarray]:
    """One picture of noise for each of `TEXTS`."""
    rng = np.random.default_rng(0)
    return [rng.integers(256, size=(32, 32, 3), dtype=np.uint8) for _ in TEXTS]
