"""Runs of recorded routing: tokens, pictures, resuming, and what is refused."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

torch = pytest.importorskip("torch", reason="the recorder's tests need the extra [transformers]")
pytest.importorskip("transformers", reason="the recorder's tests need the extra [transformers]")

from limoe_core import record as command  # noqa: E402
from limoe_core.recording import (  # noqa: E402
    CAPTION_LOSS,
    Measure,
    RecordedPair,
    RecordingError,
    measure_causes,
    record,
)
from limoe_core.recording.batches import Batcher  # noqa: E402
from limoe_core.recording.prompts import Template  # noqa: E402
from limoe_core.runs.directory import Run  # noqa: E402
from limoe_core.runs.effects import Effects  # noqa: E402
from limoe_core.runs.files import RunError  # noqa: E402
from limoe_core.trace import RoutingTrace  # noqa: E402
from tests.limoe_core.recording import families  # noqa: E402

pytestmark = pytest.mark.transformers

PAIRS = [
    RecordedPair("a red apple", [families.picture(60, 40)], {"name": "one"}),
    RecordedPair("the blue cat", [families.picture(33, 64, 1)], {"name": "two"}),
    RecordedPair("on the table", [], {"name": "three"}),
    RecordedPair("", [families.picture(40, 40, 2)], {"name": "four"}),
]
ON_GRIDS = ("qwen3_vl_moe", "qwen3_5_moe", "glm4v_moe", "ernie4_5_vl_moe")


@pytest.mark.parametrize("family", families.PICTURE_FAMILIES)
def test_a_run_holds_every_pair_as_the_model_read_it(family: str, tmp_path: Path) -> None:
    model, processor = families.model(family)
    notes: list[str] = []
    run = record(model, processor, PAIRS, run=tmp_path / "run", batch=2, scores=True, notes=notes)
    trace = run.probe(0)
    assert trace.captions.tolist() == [pair.text for pair in PAIRS]
    assert trace.meta["name"].tolist() == ["one", "two", "three", "four"]
    kinds = trace.token_kinds
    for number, pair in enumerate(PAIRS):
        mine = trace.pair == number
        said = "".join(trace.piece[mine & (kinds == "text")]).replace("▁", " ").strip()
        assert said == pair.text
        assert (kinds[mine] == "image").any() == bool(pair.pictures)
        offsets = trace.offset[mine & (kinds == "text")]
        assert trace.prompts is not None
        if pair.text:
            prompt = str(trace.prompts[number])
            assert prompt[offsets[0, 0] : offsets[-1, 1]].strip() == pair.text
    assert {"special", "prompt"} <= set(kinds)
    assert trace.pictures is not None and trace.pictures.pair.tolist() == [0, 1, 3]
    assert bool(notes) == (family not in ON_GRIDS)
    # Dense layers are none of the run's: GLM's and ERNIE's first block is one.
    first = 2 if family in ("glm4v_moe", "ernie4_5_vl_moe") else 1
    assert trace.layers.tolist() == list(range(first, 4))
    assert run.other is not None and run.other.made_by["family"] == family
    assert trace.probs is not None and trace.gate is not None
    mine = np.take_along_axis(trace.probs, trace.expert, -1).astype(float)
    if trace.scoring == "softmax of the chosen":
        assert np.allclose(mine / mine.sum(-1, keepdims=True), trace.gate, atol=0.005)


@pytest.mark.parametrize("family", ON_GRIDS)
def test_pictures_are_kept_as_the_model_saw_them_with_the_grid_of_its_tokens(
    family: str, tmp_path: Path
) -> None:
    model, processor = families.model(family)
    trace = record(model, processor, PAIRS[:2], run=tmp_path / "run").probe(0)
    pictures = trace.pictures
    assert pictures is not None
    # 60 × 40 and 33 × 64 pixels, made multiples of two patches of 8 pixels.
    assert list(zip(pictures.width, pictures.height, strict=True)) == [(64, 48), (32, 64)] or list(
        zip(pictures.width, pictures.height, strict=True)
    ) == [(64, 32), (32, 64)]
    assert np.array_equal(pictures.columns * 16, pictures.width)
    assert np.array_equal(pictures.rows * 16, pictures.height)
    for number, content in enumerate(pictures.content):
        shown = Image.open(io.BytesIO(content)).convert("RGB")
        own = PAIRS[number].pictures[0].resize(shown.size, Image.Resampling.BICUBIC)
        gap = np.abs(np.asarray(shown, float) - np.asarray(own, float)).mean()
        assert gap < 4  # of 255: WebP, and resizing in another library
        mine = trace.token_kinds[trace.pair == number] == "image"
        boxes = trace.box[trace.pair == number][mine]
        assert boxes[0].tolist() == [0, 0, 16, 16]
        assert boxes[-1].tolist() == [shown.width - 16, shown.height - 16, *shown.size]


def test_several_pictures_of_a_pair_have_a_grid_each(tmp_path: Path) -> None:
    model, processor = families.model("qwen3_vl_moe")
    pair = RecordedPair("a cat", [families.picture(60, 40), families.picture(20, 60, 3)])
    trace = record(model, processor, [pair], run=tmp_path / "run").probe(0)
    assert trace.pictures is not None and trace.picture is not None
    for number in range(2):
        tokens = int((trace.picture == number).sum())
        assert tokens == trace.pictures.rows[number] * trace.pictures.columns[number]


def test_patches_of_a_side_are_those_of_that_side(tmp_path: Path) -> None:
    """The vision tower's input by patches, in the order of tokens, is the picture by boxes."""
    model, processor = families.model("qwen3_vl_moe")
    batcher = Batcher(model, processor, Template(processor), 1)
    (batch,) = batcher(PAIRS[:1])
    merged = batch.inputs["pixel_values"].view(-1, 4, 3, 2, 8, 8).mean(dim=(1, 3, 4, 5)).numpy()
    trace = record(model, processor, PAIRS[:1], run=tmp_path / "run").probe(0)
    assert trace.pictures is not None
    shown = np.asarray(Image.open(io.BytesIO(trace.pictures.content[0])).convert("RGB"), float)
    for token, box in zip(merged, trace.box[trace.token_kinds == "image"], strict=True):
        x0, y0, x1, y1 = box
        mean = shown[y0:y1, x0:x1].mean((0, 1)) / 127.5 - 1  # as Qwen normalises
        image = processor.image_processor
        mean = (shown[y0:y1, x0:x1].mean((0, 1)) / 255 - image.image_mean) / image.image_std
        assert np.abs(mean - token).max() < 0.1


def test_a_token_that_is_of_no_part_of_its_picture_has_the_whole_of_it(tmp_path: Path) -> None:
    model, processor = families.model("aria")
    trace = record(model, processor, PAIRS[:1], run=tmp_path / "run").probe(0)
    assert trace.pictures is not None
    whole = [0, 0, int(trace.pictures.width[0]), int(trace.pictures.height[0])]
    boxes = trace.box[trace.token_kinds == "image"]
    assert len(boxes) == 8 and all(box.tolist() == whole for box in boxes)


def test_experts_for_one_modality_are_not_in_reach_of_the_other(tmp_path: Path) -> None:
    model, processor = families.model("ernie4_5_vl_moe")
    trace = record(model, processor, PAIRS, run=tmp_path / "run", scores=True).probe(0)
    assert trace.routers is not None and trace.routers.reachable is not None
    assert trace.experts.tolist() == [8, 8]
    kinds = list(trace.kinds)
    image, text = (trace.routers.reachable[0, kinds.index(kind)] for kind in ("image", "text"))
    assert text.tolist() == [True] * 4 + [False] * 4 and image.tolist() == [False] * 4 + [True] * 4
    assert trace.expert[:, trace.token_kinds == "text"].max() < 4
    assert trace.expert[:, trace.token_kinds == "image"].min() >= 4
    assert "with a bias" in trace.scoring and trace.routers.bias is not None


def test_pairs_are_routed_the_same_alone_and_in_batches(tmp_path: Path) -> None:
    model, processor = families.model("qwen3_vl_moe")
    alone = record(model, processor, PAIRS, run=tmp_path / "alone").probe(0)
    for side in ("left", "right"):
        processor.tokenizer.padding_side = side
        together = record(model, processor, PAIRS, run=tmp_path / side, batch=2).probe(0)
        assert np.array_equal(alone.piece, together.piece)
        assert np.mean(alone.expert == together.expert) > 0.99  # sums in another order
        assert alone.gate is not None and together.gate is not None
        assert np.abs(alone.gate - together.gate).mean() < 1e-3


def test_a_recording_goes_on_where_it_stopped(tmp_path: Path) -> None:
    model, processor = families.model("qwen3_vl_moe")
    whole = record(model, processor, PAIRS * 6, run=tmp_path / "whole").probe(0)

    class Stop(Exception):
        pass

    def stop(done: int) -> None:
        raise Stop

    with pytest.raises(Stop):
        record(model, processor, PAIRS * 6, run=tmp_path / "run", progress=stop)
    found = Run.open(tmp_path / "run")
    assert 0 < found.probe(0).num_pairs < 24
    counts: list[int] = []
    again = record(model, processor, PAIRS * 6, run=tmp_path / "run", progress=counts.append)
    assert counts[-1] == 24
    assert again.probe(0) == whole
    assert record(model, processor, PAIRS * 6, run=tmp_path / "run").probe(0) == whole
    with pytest.raises(RunError, match="choose another name"):
        record(model, processor, PAIRS, run=tmp_path / "run", prompt="{image} {text}")
    with pytest.raises(RecordingError, match="has other pairs"):
        record(model, processor, PAIRS[1:], run=tmp_path / "run")


def test_a_prompt_of_ones_own(tmp_path: Path) -> None:
    model, processor = families.model("qwen3_vl_moe")
    prompt = "<|vision_start|>{image}<|vision_end|>on the table {text} ."
    trace = record(model, processor, PAIRS[:1], run=tmp_path / "run", prompt=prompt).probe(0)
    assert trace.prompts is not None
    assert str(trace.prompts[0]).endswith("<|vision_end|>on the table a red apple .")
    text = trace.piece[trace.token_kinds == "text"]
    assert "".join(text).replace("▁", " ").strip() == "a red apple"
    assert trace.made_by["prompt"] == prompt


def test_texts_of_a_model_that_reads_no_pictures(tmp_path: Path) -> None:
    model, tokenizer = families.model("deepseek_v3")
    pairs = [RecordedPair("a red apple"), RecordedPair("café 🍎 on the table")]
    run = record(model, tokenizer, pairs, run=tmp_path / "run", batch=2)
    trace = run.probe(0)
    assert set(trace.token_kinds) <= {"text", "special"}
    assert trace.scoring == "sigmoid, chosen with a bias"
    assert trace.routers is not None and trace.routers.scaling == 2.5
    assert np.allclose(trace.gate.sum(-1), 2.5, atol=0.02)  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("pair", "message"),
    [
        (RecordedPair(""), "neither a picture nor a text"),
        (RecordedPair("an <|image_pad|> apple"), "stands for a picture"),
    ],
)
def test_pairs_that_cannot_be_recorded(pair: RecordedPair, message: str, tmp_path: Path) -> None:
    model, processor = families.model("qwen3_vl_moe")
    with pytest.raises(RecordingError, match=message):
        record(model, processor, [pair], run=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_what_else_is_refused(tmp_path: Path) -> None:
    model, processor = families.model("qwen3_vl_moe")
    given: dict[str, Any] = {"run": tmp_path / "run"}
    with pytest.raises(RecordingError, match="no pairs"):
        record(model, processor, [], **given)
    with pytest.raises(RecordingError, match="neither"):
        record(model, processor, PAIRS, prompt="hello", **given)
    with pytest.raises(RecordingError, match="at least one pair"):
        record(model, processor, PAIRS, batch=0, **given)
    text, tokenizer = families.model("olmoe")
    with pytest.raises(RecordingError, match="has a picture"):
        record(text, tokenizer, PAIRS, **given)


# ---- causes


def test_causes_are_measured_and_kept(tmp_path: Path) -> None:
    model, processor = families.model("qwen3_vl_moe")
    run = record(model, processor, PAIRS[:2], run=tmp_path / "run")
    counts: list[tuple[int, int]] = []
    effects = measure_causes(
        model, processor, PAIRS[:2], run=run, routers=[2], progress=lambda *n: counts.append(n)
    )
    assert counts[-1] == (16, 16)
    assert effects.rise.shape == (3, 8, 2, 2)
    assert np.isfinite(effects.rise[1]).all() and np.isnan(effects.rise[[0, 2]]).all()
    trace = run.probe(0)
    for kind, name in enumerate(("image", "text")):
        mine = trace.token_kinds == name
        for expert in range(8):
            count = int((trace.expert[1, mine] == expert).any(-1).sum())
            assert effects.tokens[1, expert, kind] == count
            assert count or not effects.rise[1, expert, kind].any()
    assert effects.rise[1].any()
    assert float(effects.chance) == pytest.approx(np.log(512))
    # A second call measures the other routers and keeps what is there.
    whole = measure_causes(model, processor, PAIRS[:2], run=run)
    assert whole.is_whole and np.array_equal(whole.rise[1], effects.rise[1])
    kept = Effects.load(run.path_of("causal"), "next best")
    assert np.array_equal(kept.rise, whole.rise) and kept.is_whole


def test_the_loss_of_the_caption_is_that_of_its_tokens(tmp_path: Path) -> None:
    model, processor = families.model("qwen3_vl_moe")
    batcher = Batcher(model, processor, Template(processor), 1)
    (batch,) = batcher(PAIRS[:1])
    with torch.inference_mode():
        logits = model(**batch.inputs).logits
        found = CAPTION_LOSS.of(logits, batch)
    ids = batch.inputs["input_ids"][0]
    places = np.flatnonzero(batch.tokens[0].kind == 1)
    losses = [float(-logits[0, at - 1].log_softmax(-1)[ids[at]]) for at in places]
    assert float(found[0]) == pytest.approx(np.mean(losses), rel=1e-5)


def test_a_measure_of_ones_own(tmp_path: Path) -> None:
    model, processor = families.model("qwen3_vl_moe")
    run = record(model, processor, PAIRS[:2], run=tmp_path / "run")
    last = Measure(lambda logits, batch: logits[:, -1].max(-1).values, "the last logit")
    effects = measure_causes(
        model, processor, PAIRS[:2], run=run, measure=last, variant="forced", kinds=["image"],
        routers=[1],
    )  # fmt: skip
    assert str(effects.measure) == "the last logit" and np.isnan(effects.chance)
    assert np.isfinite(effects.rise[0]).all() and effects.rise[0].any()
    with pytest.raises(RecordingError, match="no router 9"):
        measure_causes(model, processor, PAIRS[:2], run=run, routers=[9])
    with pytest.raises(RecordingError, match="has no text"):
        measure_causes(model, processor, PAIRS[3:], run=run)


# ---- the command


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a tiny model as `save_pretrained` writes it."""
    folder = tmp_path_factory.mktemp("model")
    model, tokenizer = families.model("olmoe")
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def pairs_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pairs")
    for number, text in enumerate(("a red apple", "the blue cat", "the table")):
        families.picture(40, 30, number).save(folder / f"{number}.png")
        (folder / f"{number}.txt").write_text(text)
    (folder / "broken.png").write_bytes(b"no picture")
    (folder / "broken.txt").write_text("none")
    return folder


def test_the_command_records_and_measures(
    saved: Path, pairs_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = [str(saved), "--pairs", str(pairs_folder), "--run", str(tmp_path / "run")]
    assert command.main([*given, "--limit", "2", "--causes", "off", "--routers", "1"]) == 0
    assert "recorded in" in capsys.readouterr().out
    assert Run.open(tmp_path / "run").probe(0).num_pairs == 2
    assert command.main(given) == 0
    out = capsys.readouterr().out
    assert "left out: broken.png" in out
    run = Run.open(tmp_path / "run")
    trace = run.probe(0)
    assert isinstance(trace, RoutingTrace)
    assert trace.captions.tolist() == ["a red apple", "the blue cat", "the table"]
    assert run.other is not None and run.other.called == str(saved)


def test_the_command_says_what_is_wrong(
    saved: Path, pairs_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def says(*given: str) -> str:
        assert command.main([*given, "--run", str(tmp_path / "run")]) == 1
        return capsys.readouterr().err

    assert "there is no" in says(str(saved), "--pairs", str(tmp_path / "nowhere"))
    wrong = says(str(tmp_path), "--pairs", str(pairs_folder))
    assert "cannot be opened as a model" in wrong and "Traceback" not in wrong


def test_weights_in_a_pickle_are_not_read(
    saved: Path, pairs_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "pickled"
    folder.mkdir()
    for file in saved.iterdir():
        if file.suffix != ".safetensors":
            (folder / file.name).write_bytes(file.read_bytes())
    model, _ = families.model("olmoe")
    torch.save(model.state_dict(), folder / "pytorch_model.bin")
    given = [str(folder), "--pairs", str(pairs_folder), "--run", str(tmp_path / "run")]
    assert command.main(given) == 1
    assert "safetensors" in capsys.readouterr().err
