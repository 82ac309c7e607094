"""Wrong arguments of a model in use: one sentence each, before any work."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from limoe_core.arguments import whole_number
from limoe_core.data.preprocess import PictureError, fit_square
from limoe_core.inference import LoadedModel, load
from limoe_core.model.functional import FunctionalModel
from limoe_core.model.router import Intervention
from limoe_core.tokenizer import Tokenizer
from tests.app.example_runs import SIZE, small_config

pytestmark = pytest.mark.usefixtures("unchecked_shapes")

PICTURE = np.zeros((8, 8, 3), np.uint8)
PIXELS = np.zeros((1, SIZE, SIZE, 3), np.float32)
NAN = np.full_like(PIXELS, np.nan)


class Computed(Exception):
    """The model would have computed; its argument is the pixels."""


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return Tokenizer.train(["a red apple", "the big dog", "a cat"], 272)


@pytest.fixture
def model(tokenizer: Tokenizer, monkeypatch: pytest.MonkeyPatch) -> LoadedModel:
    """A model that says when it would begin to compute, and has no parameters."""

    def forward(params: object, pixels: np.ndarray, *others: object, **options: object) -> None:
        raise Computed(pixels)

    monkeypatch.setattr(FunctionalModel, "forward", property(lambda self: forward))
    config = small_config()
    return LoadedModel(config, FunctionalModel.of(config), {}, tokenizer, 0)


def switch(
    layers: int = 2, experts: int = 4, bias: float = 0.0, silence: tuple[int, ...] | None = None
) -> Intervention:
    shape = (layers, 2, experts)
    return Intervention(np.full(shape, bias), np.zeros(silence or shape, bool))


def trace(**options: Any) -> Callable[[LoadedModel], object]:
    return lambda model: model.trace([PICTURE], ["a cat"], **options)


@pytest.mark.parametrize(
    "call, kind, sentence",
    [
        (lambda m: m.encode_texts("a red apple"), TypeError, r"give \['a red apple'\]"),
        (lambda m: m.encode_texts([5]), TypeError, r"text 0 is 5 \(int\), and not a str"),
        (lambda m: m.encode_texts(["a", None]), TypeError, "text 1 is None, and not a str"),
        (lambda m: m.encode_texts(5), TypeError, r"takes a list of texts, not 5 \(int\)"),
        (lambda m: m.encode_texts([b"cat"]), TypeError, "not a str"),
        (lambda m: m.encode_images(PICTURE), TypeError, r"for a single one give \[picture\]"),
        (lambda m: m.encode_images(PICTURE[..., 0]), TypeError, r"give \[picture\]"),
        (lambda m: m.encode_images(Image.new("RGB", (8, 8))), TypeError, r"give \[picture\]"),
        (lambda m: m.encode_images("photo.jpg"), TypeError, r"\[open_picture\(path\)\[0\]\]"),
        (lambda m: m.encode_images(["photo.jpg"]), PictureError, r"not str\. For a file take"),
        (lambda m: m.encode_images([(Image.new("RGB", (8, 8)), [])]), PictureError, "not tuple"),
        (lambda m: m.encode_images([None]), TypeError, "picture 0 is None"),
        (lambda m: m.encode_images([PICTURE / 255]), PictureError, "not float64"),
        (lambda m: m.encode_images([PICTURE, PICTURE[:0]]), PictureError, "8 × 0 pixels"),
        (lambda m: m.encode_images(5), TypeError, r"takes a list of pictures, not 5 \(int\)"),
        (lambda m: m.encode_pixels(NAN), ValueError, "encode_pixels: some pixels are no numbers"),
        (lambda m: m.encode_pixels(PIXELS + np.inf), ValueError, "no numbers"),
        (lambda m: m.encode_pixels(PIXELS + 255), ValueError, r"in \[-1, 1\], .* from 255 to 255"),
        (lambda m: m.encode_pixels(PIXELS[0]), ValueError, r"shape \(n, 32, 32, 3\), not float32"),
        (lambda m: m.encode_pixels(PIXELS.astype(np.uint8)), ValueError, "not uint8"),
        (lambda m: m.encode_pixels(PIXELS[:, :8]), ValueError, r"of \(1, 8, 32, 3\)"),
        (lambda m: m.encode_pixels([[1, 2], [3]]), ValueError, "encode_pixels takes floating"),
        (lambda m: m.trace([], []), ValueError, "at least one pair"),
        (lambda m: m.trace([PICTURE], []), ValueError, "1 images but 0 texts"),
        (lambda m: m.trace(PICTURE, ["a"]), TypeError, "trace takes a list of pictures"),
        (lambda m: m.trace([PICTURE], "a"), TypeError, "trace takes a list of texts"),
        (lambda m: m.trace([PICTURE], [5]), TypeError, "text 0 is 5"),
        (trace(capacity_factor=-1), ValueError, "from 0 on, where 0 drops no token, not -1"),
        (trace(capacity_factor=np.nan), ValueError, "capacity_factor must be a number"),
        (trace(capacity_factor=np.inf), ValueError, "capacity_factor must be a number"),
        (trace(capacity_factor="2"), ValueError, "capacity_factor must be a number .* not '2'"),
        (trace(capacity_factor=True), ValueError, "capacity_factor must be a number"),
        (trace(batch_priority="no"), TypeError, "batch_priority must be True or False, not 'no'"),
        (trace(hidden="no"), TypeError, "hidden must be True or False, not 'no'"),
        (trace(meta={"name": ["a", "b"]}), ValueError, r"meta\['name'\] has 2 values for 1 pairs"),
        (trace(meta={"name": "cat"}), ValueError, r"meta\['name'\] has one text for 1 pairs"),
        (trace(meta=[("name", ["cat"])]), TypeError, "meta must be a dict"),
        (trace(meta={"name": 5}), ValueError, r"meta\['name'\] has 5 for 1 pairs"),
        (trace(intervention=switch(layers=1)), ValueError, r"bias must have the shape \(2, 2, 4\)"),
        (trace(intervention=switch(experts=3)), ValueError, r"not \(2, 2, 3\)"),
        (trace(intervention=switch(silence=(2, 4))), ValueError, "silence must have the shape"),
        (trace(intervention=switch(bias=np.nan)), ValueError, "neither NaN"),
        (trace(intervention=switch(bias=-np.inf)), ValueError, "leaves its tokens none"),
        (trace(intervention="off"), TypeError, "must be a limoe_core.model.router.Intervention"),
        (lambda m: m.trace_pixels(NAN, ["a"]), ValueError, "trace_pixels: some pixels"),
        (lambda m: m.trace_pixels(PIXELS, []), ValueError, "1 images but 0 texts"),
        (lambda m: m.trace_pixels(PIXELS, [None]), TypeError, "text 0 is None"),
        (lambda m: m.trace_pixels(PIXELS[:0], []), ValueError, "at least one pair"),
        (
            lambda m: m.trace_pixels(PIXELS, ["a"], image_valid=np.ones(2, bool)),
            ValueError,
            "1 truth values, one for each pair",
        ),
    ],
)
def test_a_wrong_argument_is_told_before_any_work(
    model: LoadedModel, call: Callable[[LoadedModel], object], kind: type, sentence: str
) -> None:
    with pytest.raises(kind, match=sentence):
        call(model)


@pytest.mark.parametrize("step", ["500", 10.0, True, [10]])
def test_a_step_is_a_whole_number(tmp_path: Path, step: Any) -> None:
    with pytest.raises(TypeError, match="step must be a whole number, such as 500, not"):
        load(tmp_path, step)


def test_a_step_of_numpy_is_a_whole_number() -> None:
    assert whole_number(np.int64(10), "step") == 10


def test_empty_lists_have_no_embeddings(model: LoadedModel) -> None:
    for found in (model.encode_images([]), model.encode_texts([]), model.encode_pixels(PIXELS[:0])):
        assert found.shape == (0, model.config.model.embed_dim)


def test_a_picture_of_pillow_is_read_upright_by_embeddings_and_traces(model: LoadedModel) -> None:
    photo = Image.open(Path(__file__).parent / "data" / "cases" / "exif_orientation6.jpg")
    upright = fit_square(np.asarray(photo.transpose(Image.Transpose.ROTATE_270)), SIZE)
    for call in (
        lambda: model.encode_images([photo, upright]),
        lambda: model.trace([photo, upright], ["a cat", None]),
    ):
        with pytest.raises(Computed) as computed:
            call()
        (pixels,) = computed.value.args
        np.testing.assert_array_equal(pixels[0], pixels[1])
