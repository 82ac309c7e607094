"""Bounds of settings: the same in Python, on a command line and in a config.json."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from limoe_core.config import Config, ConfigError, ModelConfig

#: A setting, by its table, and a value that no run can have.
IMPOSSIBLE: list[tuple[str, str, Any]] = [
    ("model", "heads", 0),
    ("model", "layers", 2_000_000),
    ("model", "width", 2**40),
    ("model", "image_size", 10**9),
    ("model", "text_length", 10**9),
    ("model", "experts", 10**9),
    ("model", "capacity_factor", 1e308),
    ("loss", "load", -1.0),
    ("optimizer", "learning_rate", float("nan")),
    ("optimizer", "clip_norm", float("inf")),
    ("data", "batch_size", 2**60),
    ("train", "steps", 10**30),
    ("train", "probe_every", 0),
    ("train", "seed", 10**400),
]


@pytest.mark.parametrize(("table", "name", "value"), IMPOSSIBLE)
def test_an_impossible_setting_is_named(table: str, name: str, value: Any) -> None:
    with pytest.raises(ConfigError, match=f"{table}.{name}") as caught:
        Config.from_dict({table: {name: value}})
    assert len(str(caught.value)) < 200
    with pytest.raises(ConfigError, match=f"{table}.{name}"):
        dataclasses.replace(getattr(Config(), table), **{name: value})


def test_a_number_of_400_digits_where_a_real_number_is_wanted_is_refused() -> None:
    with pytest.raises(ConfigError, match="capacity_factor: the number is too large"):
        Config.from_dict({"model": {"capacity_factor": 10**400}})


def test_what_is_too_large_only_taken_together_is_refused() -> None:
    with pytest.raises(ConfigError, match="parameters, more than 1e"):
        ModelConfig(width=2**16, heads=64, layers=512, mlp_dim=2**17)
    with pytest.raises(ConfigError, match="more than a block can attend to"):
        ModelConfig(image_size=4096, patch_size=1)
    with pytest.raises(ConfigError, match="MiB of pictures"):
        Config.from_dict({"train": {"probe_pairs": 100_000}, "model": {"image_size": 512}})


def test_long_and_odd_values_are_not_quoted_at_length() -> None:
    for values in (
        {"model": {"heads": ["x" * 10**6] * 1000}},
        {"model": {"x" * 10**6: 1}},
        {f"table{number}": {} for number in range(10_000)},
        {"data": {"name": "x" * 10**6}},
    ):
        with pytest.raises(ConfigError) as caught:
            Config.from_dict(values)
        assert len(str(caught.value)) < 400


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)
_NAMES = [
    (table.name, setting.name)
    for table in dataclasses.fields(Config)
    for setting in dataclasses.fields(getattr(Config(), table.name))
]


@given(st.sampled_from(_NAMES), _JSON)
def test_any_value_makes_a_config_or_a_sentence(name: tuple[str, str], value: Any) -> None:
    table, setting = name
    try:
        config = Config.from_dict({table: {setting: value}})
    except ConfigError:
        return
    assert Config.from_dict(config.to_dict()) == config
