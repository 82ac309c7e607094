"""Pairs to measure on, from a run that was really trained and from its data set."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

import analysis
from limoe_core.config import ConfigError
from limoe_core.data.source import load_pairs
from limoe_core.runs.directory import Run


def test_probe_pairs_are_those_of_the_run_without_namesakes(debug_run):
    run = Run.open(debug_run)
    images, texts, meta = analysis.probe_pairs(run)
    assert 2 <= len(images) == len(texts) == len(set(texts)) <= run.config.train.probe_pairs
    assert len(set(meta["concept"])) == len(texts)
    captions = run.probe(0).captions.tolist()
    stored = run.probe_pictures()
    for image, text in zip(images, texts, strict=True):
        assert np.array_equal(image, stored[captions.index(text)])


def test_data_pairs_name_what_their_pictures_show(debug_run, data_dir):
    run = Run.open(debug_run)
    data = dataclasses.replace(run.config.data, dir=str(data_dir))
    run = dataclasses.replace(run, settings=dataclasses.replace(run.config, data=data))
    images, texts, meta = analysis.data_pairs(run, "validation", 30)
    assert len(images) == len(texts) == len(set(texts)) == len(set(meta["concept"])) == 30
    pairs = load_pairs(data, "validation", progress=False)
    assert len(set(meta["language"])) == 14
    for i in (0, 11, 29):
        concept = pairs.concepts.keys.tolist().index(meta["concept"][i])
        assert texts[i] == pairs.concepts.names[meta["language"][i]][concept]
        own = np.flatnonzero((pairs.concept == concept) & (pairs.style == meta["style"][i]))
        assert any(np.array_equal(images[i], pairs.pictures[j]) for j in own)


def test_every_picture_of_a_concept_has_a_text_of_its_own(debug_run, data_dir):
    run = Run.open(debug_run)
    data = dataclasses.replace(run.config.data, dir=str(data_dir))
    run = dataclasses.replace(run, settings=dataclasses.replace(run.config, data=data))
    images, texts, meta = analysis.data_pairs(run, "validation", 10_000, every=True)
    pairs = load_pairs(data, "validation", progress=False)
    assert len(images) == len(texts) == len(set(texts)) == len(pairs)
    assert len(set(meta["concept"])) < len(texts)
    names = pairs.concepts.names
    for text, language, key in zip(texts, meta["language"], meta["concept"], strict=True):
        assert text == names[language][pairs.concepts.keys.tolist().index(key)]


def test_data_that_is_not_there_is_not_built_behind_the_user_s_back(debug_run, tmp_path):
    run = Run.open(debug_run)
    data = dataclasses.replace(run.config.data, dir=str(tmp_path), config="base")
    run = dataclasses.replace(run, settings=dataclasses.replace(run.config, data=data))
    with pytest.raises(ConfigError, match="not built"):
        analysis.data_pairs(run)
    assert not any(path.name.endswith(".array_record") for path in tmp_path.rglob("*"))
