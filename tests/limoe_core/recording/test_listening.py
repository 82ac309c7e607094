"""Hooks hear what the library itself says that its routers decide."""

from __future__ import annotations

import re
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="the recorder's tests need the extra [transformers]")
pytest.importorskip("transformers", reason="the recorder's tests need the extra [transformers]")

from limoe_core.recording.batches import Batch, Batcher  # noqa: E402
from limoe_core.recording.changing import Change, changed  # noqa: E402
from limoe_core.recording.decisions import Decision  # noqa: E402
from limoe_core.recording.errors import RecordingError  # noqa: E402
from limoe_core.recording.forward import forward  # noqa: E402
from limoe_core.recording.listening import Listener  # noqa: E402
from limoe_core.recording.prompts import RecordedPair, Template  # noqa: E402
from limoe_core.recording.routers import find_routers, names, numbers  # noqa: E402
from limoe_core.recording.scoring import found_rule  # noqa: E402
from tests.limoe_core.recording import families  # noqa: E402

pytestmark = pytest.mark.transformers

FAMILIES = (*families.TEXT_FAMILIES, *families.PICTURE_FAMILIES)


def batches(family: str) -> tuple[Any, Batcher, list[Batch]]:
    """A model and two pairs in a batch of different lengths, so that one is filled up."""
    model, processor = families.model(family)
    sees = family in families.PICTURE_FAMILIES
    pairs = [
        RecordedPair("a red apple", [families.picture(60, 40)] if sees else ()),
        RecordedPair("the blue cat on the table", [families.picture(33, 64, 1)] if sees else ()),
    ]
    batcher = Batcher(model, processor, Template(processor), 2)
    return model, batcher, list(batcher(pairs))


def heard(model: Any, batcher: Batcher, batch: Batch) -> tuple[Any, list[Decision]]:
    with torch.inference_mode(), Listener(find_routers(model)) as listener:
        logits = forward(model, batcher.on_device(batch))
        return logits, listener.take(batch.for_image)


def asked(model: Any, inputs: dict[str, Any]) -> list[Any]:
    """Router logits that the library returns, of each router in the order in which it is asked."""
    with torch.inference_mode():
        return list(model(**inputs, output_router_logits=True).router_logits)


@pytest.mark.parametrize("family", [name for name in FAMILIES if name != "llama4"])
def test_logits_are_those_that_the_library_returns(family: str) -> None:
    model, batcher, (batch,) = batches(family)
    _, decisions = heard(model, batcher, batch)
    theirs = asked(model, batcher.on_device(batch))
    assert len(decisions) == len(theirs)
    for decision, logits in zip(decisions, theirs, strict=True):
        if family == "ernie4_5_vl_moe":  # of text and image experts in one table of four
            mine = torch.where(batch.for_image[:, None], *decision.logits.split(4, 1)[::-1])
            assert torch.equal(mine, logits)
        else:
            assert torch.equal(decision.logits, logits.reshape(decision.logits.shape))


def test_llama_4_with_pictures_is_heard_though_its_own_output_fails() -> None:
    model, batcher, (batch,) = batches("llama4")
    seen: list[Any] = []
    hooks = [
        router.gates[0].module.register_forward_pre_hook(
            lambda _, given: seen.append(given[0].clone())
        )
        for router in find_routers(model)
    ]
    _, decisions = heard(model, batcher, batch)
    for hook in hooks:
        hook.remove()
    assert len(decisions) == 3
    for router, given, decision in zip(find_routers(model), seen, decisions, strict=True):
        with torch.inference_mode():
            logits = given @ router.gates[0].module.weight.T
        assert torch.allclose(decision.logits, logits, atol=1e-5)
        best = logits.max(1)
        real = torch.from_numpy(batch.real.reshape(-1))  # all experts are alike for padding
        assert torch.equal(decision.choice[real, 0], best.indices[real])
        assert torch.allclose(decision.weight[:, 0], best.values.sigmoid(), atol=1e-6)


def test_jetmoe_has_two_routers_a_block_in_the_order_in_which_they_are_asked() -> None:
    model, batcher, (batch,) = batches("jetmoe")
    routers = find_routers(model)
    assert [router.block for router in routers] == [1, 1, 2, 2, 3, 3]
    assert numbers(routers) == [1, 2, 3, 4, 5, 6]
    assert names(routers)[:3] == ["block 1, attention", "block 1, mlp", "block 2, attention"]
    assert ["attention" in router.name for router in routers] == [True, False] * 3
    _, decisions = heard(model, batcher, batch)
    for decision in decisions:
        values, indices = decision.logits.topk(2)
        assert torch.equal(decision.choice, indices)
        assert torch.allclose(decision.weight, values.softmax(-1))


@pytest.mark.parametrize(
    "family", [name for name in FAMILIES if name not in ("jetmoe", "llama4", "llama4_text")]
)
def test_choices_and_weights_are_those_that_the_experts_are_called_with(family: str) -> None:
    model, batcher, (batch,) = batches(family)
    called: dict[str, tuple[Any, Any]] = {}

    def keep(name: str) -> Any:
        def hook(_: Any, given: Any, named: Any) -> None:
            tables = [each for each in (*given, *named.values()) if each.ndim == 2]
            weights = [each for each in tables[1:] if each.is_floating_point()]
            called[name] = next(e for e in tables if not e.is_floating_point()), weights[0]

        return hook

    hooks = [
        module.register_forward_pre_hook(keep(name), with_kwargs=True)
        for name, module in model.named_modules()
        if re.search(r"\.experts$", name)
    ]
    _, decisions = heard(model, batcher, batch)
    for hook in hooks:
        hook.remove()
    for router, decision in zip(find_routers(model), decisions, strict=True):
        for at, gate in enumerate(router.gates):
            mine = torch.ones(len(batch.for_image), dtype=torch.bool)
            if gate.modality:
                mine = batch.for_image == (gate.modality == "image")
            choice, weight = called[gate.name.rsplit(".", 1)[0] + ".experts"]
            order = weight.argsort(dim=-1, descending=True, stable=True)
            assert torch.equal(decision.choice[mine] - 4 * at, choice.gather(1, order))
            assert torch.equal(decision.weight[mine], weight.gather(1, order))


RULES = {
    "olmoe": "softmax",
    "deepseek_v2": "softmax",
    "deepseek_v3": "sigmoid, chosen with a bias",
    "glm4v_moe": "sigmoid, chosen with a bias",
    "ernie4_5_moe": "softmax of the chosen, chosen with a bias",
    "ernie4_5_vl_moe": "softmax of the chosen, chosen with a bias",
    "llama4": "sigmoid",
    "llama4_text": "sigmoid",
}


@pytest.mark.parametrize("family", FAMILIES)
def test_the_scoring_rule_is_found(family: str) -> None:
    model, batcher, (batch,) = batches(family)
    _, decisions = heard(model, batcher, batch)
    rule = found_rule(decisions, find_routers(model))
    assert rule.name == RULES.get(family, "softmax of the chosen")
    assert rule.scaling == (2.5 if family == "deepseek_v3" else 1.0)


@pytest.mark.parametrize("variant", ["next best", "none", "forced"])
@pytest.mark.parametrize("family", FAMILIES)
def test_a_change_for_no_token_changes_nothing(family: str, variant: Any) -> None:
    model, batcher, (batch,) = batches(family)
    logits, _ = heard(model, batcher, batch)
    router = find_routers(model)[-1]
    nobody = torch.zeros_like(batch.for_image)
    with changed(Change(router, 1, variant), nobody, batch.for_image):
        again, _ = heard(model, batcher, batch)
    assert torch.equal(logits, again)  # bit for bit


@pytest.mark.parametrize("variant", ["next best", "none", "forced"])
@pytest.mark.parametrize("family", FAMILIES)
def test_a_change_is_made_for_the_tokens_named_and_for_no_other(family: str, variant: Any) -> None:
    model, batcher, (batch,) = batches(family)
    before, plain = heard(model, batcher, batch)
    routers = find_routers(model)
    sees = family in families.PICTURE_FAMILIES
    meant = batch.of_kind("image" if sees else "text")
    last = plain[-1]
    favourite = last.choice[meant].flatten().mode().values
    expert = int(favourite)
    if variant == "forced":  # one that is not chosen by all of them
        expert = int(last.choice[meant].flatten().bincount(minlength=8)[:4].argmin())
        expert += 4 if family == "ernie4_5_vl_moe" else 0  # an image expert
    with changed(Change(routers[-1], expert, variant), meant, batch.for_image):
        after, decisions = heard(model, batcher, batch)
    changed_one = decisions[-1]
    for one, other in zip(plain[:-1], decisions[:-1], strict=True):
        assert torch.equal(one.choice, other.choice)
    assert torch.equal(last.choice[~meant], changed_one.choice[~meant])
    assert torch.equal(last.weight[~meant], changed_one.weight[~meant])
    chosen = (changed_one.choice[meant] == expert).any(-1)
    had = (last.choice[meant] == expert).any(-1)
    if variant == "none":
        assert not changed_one.weight[meant][changed_one.choice[meant] == expert].any()
        silent = last.weight[meant] * (last.choice[meant] != expert)
        assert torch.allclose(silent.sum(-1), changed_one.weight[meant].sum(-1))
    else:
        assert torch.equal(chosen, torch.full_like(had, variant == "forced"))
    # Logits of a place hang on places up to it alone: those before the first changed one stay.
    reached = torch.cumsum(meant.view(batch.real.shape), 1) > 0
    assert torch.equal(before[~reached], after[~reached])
    if (had if variant != "forced" else ~had).any():
        assert not torch.equal(before[reached], after[reached])


def test_the_best_of_the_others_takes_the_place_of_an_expert_that_is_off() -> None:
    model, batcher, (batch,) = batches("olmoe")
    _, plain = heard(model, batcher, batch)
    routers = find_routers(model)
    everyone = torch.ones_like(batch.for_image)
    expert = int(plain[0].choice[0, 0])
    with changed(Change(routers[0], expert, "next best"), everyone, batch.for_image):
        _, decisions = heard(model, batcher, batch)
    logits = plain[0].logits.clone()
    logits[:, expert] = -torch.inf
    values, indices = logits.softmax(-1).topk(2)
    assert torch.equal(decisions[0].choice, indices)
    assert torch.allclose(decisions[0].weight, values)


def test_a_model_without_experts_is_refused() -> None:
    import transformers

    config = transformers.LlamaConfig(
        vocab_size=64, hidden_size=16, intermediate_size=16, num_hidden_layers=1,
        num_attention_heads=2,
    )  # fmt: skip
    with pytest.raises(RecordingError, match="LlamaForCausalLM declares no router"):
        find_routers(transformers.LlamaForCausalLM(config))


def test_a_router_that_gives_its_logits_alone_is_refused() -> None:
    model, batcher, (batch,) = batches("olmoe")
    gate = find_routers(model)[0].gates[0].module
    hook = gate.register_forward_hook(lambda _, __, output: (output[0],))
    with pytest.raises(RecordingError, match="does not say which experts it chooses"):
        heard(model, batcher, batch)
    hook.remove()
