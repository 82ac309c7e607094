"""Routing that servers return: arrays as their documentation defines them, made a run."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from limoe_core.runs import Run
from limoe_core.served import Request, ServedError, of_logits, of_sglang, of_vllm, save, trace
from limoe_core.served.__main__ import main

TOKENS, LAYERS, TOP_K, EXPERTS = 9, 3, 2, 8


def _routed(seed: int = 0, tokens: int = TOKENS) -> np.ndarray:
    """Experts of (tokens, MoE layers, top k)."""
    rng = np.random.default_rng(seed)
    return rng.random((tokens, LAYERS, EXPERTS)).argsort(axis=-1)[..., :TOP_K].astype(np.int16)


def test_vllm_returns_the_prompt_and_what_was_written_apart() -> None:
    prompt, written = _routed(0), _routed(1, 4)
    response = {
        "prompt_routed_experts": prompt.tolist(),
        "choices": [{"text": "…", "routed_experts": written.tolist()}],
    }
    expert = of_vllm(response).expert
    assert expert.shape == (LAYERS, TOKENS + 4, TOP_K)
    for layer in range(LAYERS):
        assert expert[layer, :TOKENS].tolist() == prompt[:, layer].tolist()
        assert expert[layer, TOKENS:].tolist() == written[:, layer].tolist()
    assert np.array_equal(of_vllm({"routed_experts": prompt}).expert, expert[:, :TOKENS])


def test_sglang_returns_base64_of_32_bits() -> None:
    routed = _routed().astype("<i4")
    routed = np.insert(routed, 0, -1, axis=1)  # a first layer without experts
    text = base64.b64encode(routed.tobytes()).decode()
    for response in (text, {"routed_experts": text}, {"meta_info": {"routed_experts": text}}):
        expert = of_sglang(response, LAYERS + 1, TOP_K).expert
        assert np.array_equal(expert, _routed().transpose(1, 0, 2))


def test_mixtral_weighs_by_the_softmax_of_the_chosen() -> None:
    logits = np.random.default_rng(0).normal(size=(LAYERS, TOKENS, EXPERTS)).astype(np.float32)
    choices = of_logits(list(logits), TOP_K)
    assert choices.gate is not None and choices.probs is not None
    for layer in range(LAYERS):
        for token in range(TOKENS):
            row = np.exp(logits[layer, token] - logits[layer, token].max())
            row /= row.sum()
            best = np.argsort(-row)[:TOP_K]
            assert choices.expert[layer, token].tolist() == best.tolist()
            assert choices.gate[layer, token] == pytest.approx(row[best] / row[best].sum(), 1e-5)
            assert choices.probs[layer, token] == pytest.approx(row, abs=1e-3)
    plain = of_logits(list(logits), TOP_K, normalised=False)
    assert plain.gate is not None
    assert np.all(plain.gate.sum(axis=-1) < 1)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: of_vllm({}), "--enable-return-routed-experts"),
        (lambda: of_vllm({"routed_experts": [[1, 2]]}), "not whole numbers of"),
        (lambda: of_vllm({"routed_experts": [[[1, 2]], [[1]]]}), "unlike lengths"),
        (lambda: of_vllm({"routed_experts": [[[1, 40000]]]}), "40000"),
        (lambda: of_vllm({"choices": [{}, {}]}), "2 completions"),
        (lambda: of_sglang({}, 1, 1), "return_routed_experts"),
        (lambda: of_sglang("not base64!", 1, 1), "no base64"),
        (lambda: of_sglang(base64.b64encode(b"12345678").decode(), 3, 1), "no whole number"),
        (lambda: of_logits([], 1), "there are none"),
        (lambda: of_logits([np.zeros((2, 4)), np.zeros((3, 4))], 1), "all of one shape"),
        (lambda: of_logits([np.zeros((2, 4))], 5), "4 experts"),
        (lambda: of_logits([np.full((2, 4), np.nan)], 1), "not finite"),
        (lambda: trace([], experts=4), "no request"),
    ],
)
def test_what_no_server_returns_is_said(make: Any, words: str) -> None:
    with pytest.raises(ServedError, match=words):
        make()


def test_requests_become_a_run_with_their_pictures(tmp_path: Path) -> None:
    kinds = ["special", *["image"] * 6, "text", "text"]
    pieces = ["<s>", *[""] * 6, "▁a", "▁cat"]
    requests = [
        Request(of_vllm({"routed_experts": _routed(n)}), f"cat {n}", pieces, kinds, [(2, 3)])
        for n in range(18)
    ]
    requests[3] = Request(requests[3].choices, "cat 3", meta={"language": "en"})  # a text alone
    made_by = {"model": "org/m"}
    run = save(requests, tmp_path / "served", experts=EXPERTS, made_by=made_by)
    found = run.probe(0)
    assert found.num_pairs == 18 and found.num_experts == EXPERTS
    assert found.pictures is not None and set(found.pictures.columns) == {3}
    assert np.array_equal(found.select([17]).expert, _routed(17).transpose(1, 0, 2))
    assert found.meta["language"].tolist()[2:4] == ["", "en"]
    assert len(found.pictures) == 17
    assert found.gate is None and found.probs is None
    again = save([*requests, requests[0]], tmp_path / "served", experts=EXPERTS, made_by=made_by)
    assert again.recorded_pairs(0) == 19


def test_a_request_of_other_layers_or_experts_is_named() -> None:
    good = Request(of_vllm({"routed_experts": _routed()}))
    other = Request(of_vllm({"routed_experts": _routed()[:, :2]}))
    with pytest.raises(ServedError, match="request 2 has 2 layers"):
        trace([good, other], experts=EXPERTS)
    with pytest.raises(ServedError, match="request 1: .*expert"):
        trace([good], experts=4)
    with pytest.raises(ServedError, match="6 cells, and there are 9 image"):
        trace([Request(good.choices, kinds=["image"] * TOKENS, grids=[(2, 3)])], experts=EXPERTS)


def test_the_command_imports_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = [json.dumps({"routed_experts": _routed(n).tolist(), "caption": str(n)}) for n in (0, 1)]
    (tmp_path / "vllm.jsonl").write_text("\n".join(lines))
    where = ["--run", str(tmp_path / "one")]
    assert main(["vllm", str(tmp_path / "vllm.jsonl"), *where]) == 1
    assert "needs --experts" in capsys.readouterr().err
    options = ["--experts", "8", "--made-by", "model", "org/m"]
    assert main(["vllm", str(tmp_path / "vllm.jsonl"), *where, *options]) == 0
    assert "org/m" in capsys.readouterr().out
    assert Run.open(tmp_path / "one").probe(0).captions.tolist() == ["0", "1"]

    np.savez(tmp_path / "r.npz", router_logits=np.random.default_rng(0).normal(size=(3, 5, 8)))
    where = ["--run", str(tmp_path / "two"), "--top-k", "2"]
    assert main(["logits", str(tmp_path / "r.npz"), *where]) == 0
    assert Run.open(tmp_path / "two").probe(0).gate is not None
    assert main(["logits", str(tmp_path / "r.npz"), *where, "--experts", "4"]) == 1
    assert "r.npz: router_logits are of 8 experts a layer" in capsys.readouterr().err
    (tmp_path / "bad.jsonl").write_text("{}\n")
    assert main(["vllm", str(tmp_path / "bad.jsonl"), "--run", "x", "--experts", "4"]) == 1
    assert "bad.jsonl, line 1: there is neither" in capsys.readouterr().err


@pytest.mark.parametrize(
    "extra",
    [{"grids": np.ones((1, 3), int)}, {"grids": np.ones(2, int)}, {"pieces": np.array("abc")}],
    ids=["three", "flat", "no list"],
)
def test_arrays_of_wrong_shapes_are_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], extra: dict[str, Any]
) -> None:
    np.savez(tmp_path / "one.npz", router_logits=np.zeros((2, 4, 8), np.float32), **extra)
    asked = ["logits", str(tmp_path / "one.npz"), "--run", str(tmp_path / "run"), "--top-k", "2"]
    assert main(asked) == 1
    assert "one.npz: no file of router_logits" in capsys.readouterr().err
