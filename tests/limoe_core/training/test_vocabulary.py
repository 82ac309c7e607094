"""Embeddings of a new vocabulary, against a loop over its pieces."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import pytest

from limoe_core.tokenizer import Tokenizer
from limoe_core.training.initial import embeddings
from limoe_core.training.vocabulary import Descent, strange_captions

OLD = [f"{colour} {thing}" for colour in ("red", "green", "blue") for thing in ("apple", "pear")]
NEW = [*OLD, *(f"{colour} bläulich ябеда 苹果" for colour in ("red", "greenish", "grün"))]


@pytest.fixture(scope="module")
def old() -> Tokenizer:
    return Tokenizer.train(OLD * 3, 1000, at_most=True)


@pytest.fixture(scope="module")
def new() -> Tokenizer:
    return Tokenizer.train(NEW * 3, 1000, at_most=True)


def test_pieces_keep_their_embedding_or_start_from_the_mean_of_their_parts(
    old: Tokenizer, new: Tokenizer
) -> None:
    rng = np.random.default_rng(0)
    table = rng.normal(size=(old.vocab_size, 4)).astype(np.float32)
    fresh = rng.normal(size=(new.vocab_size, 4)).astype(np.float32)
    descent = Descent.of(old, new)
    found = np.asarray(embeddings(jnp.asarray(table), jnp.asarray(fresh), descent))
    kept = made = 0
    for number, piece in enumerate(new.vocabulary):
        if piece in old.vocabulary:
            wanted = table[old.vocabulary.index(piece)]
            kept += 1
        else:
            parts = old.encode_one(piece.replace("▁", " ").strip(), 99)
            rows = [
                table[part]
                for part, text in zip(parts.ids, parts.pieces, strict=True)
                if text != "▁" or piece.startswith("▁")
            ]
            wanted = np.mean(rows, axis=0) if rows else fresh[number]
            made += bool(rows)
        np.testing.assert_allclose(found[number], wanted, atol=1e-6, err_msg=piece)
    assert kept == descent.kept > 258, "padding, unknown and bytes are in every vocabulary"
    assert made > 5
    said = descent.sentence
    assert said.startswith(f"embeddings of {kept} of {new.vocab_size} pieces are copied, and")
    assert f"and {made} are means of the old pieces" in said


def test_the_same_vocabulary_keeps_every_embedding(old: Tokenizer) -> None:
    table = np.random.default_rng(0).normal(size=(old.vocab_size, 4)).astype(np.float32)
    found = embeddings(jnp.asarray(table), jnp.zeros_like(table), Descent.of(old, old))
    np.testing.assert_array_equal(found, table)


def test_captions_with_characters_that_a_vocabulary_lacks_are_counted(old: Tokenizer) -> None:
    assert strange_captions(old, OLD) == (0, 6)
    assert strange_captions(old, ["red apple", "яблоко", "red яблоко", ""]) == (2, 4)
    assert strange_captions(old, []) == (0, 0)
    assert strange_captions(old, ["苹果"] * 10_001) == (10_000, 10_000)
