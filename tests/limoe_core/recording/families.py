"""Tiny models of families of transformers with random weights, and their processors."""

from __future__ import annotations

import functools
from typing import Any
from unittest import mock

import numpy as np
import tokenizers
import torch
import transformers as t
from PIL import Image

torch.set_num_threads(1)  # more would wait for one another: all of this is tiny

SPECIAL = (
    "<pad>", "<s>", "</s>", "<unk>",
    "<|im_start|>", "<|im_end|>",
    "<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|video_pad|>",
    "<|image|>", "<|video|>", "<|begin_of_image|>", "<|end_of_image|>",
    "<|begin_of_video|>", "<|end_of_video|>",
    "<|image_start|>", "<|patch|>", "<|tile_x_separator|>", "<|tile_y_separator|>",
    "<|IMAGE_START|>", "<|IMAGE_PLACEHOLDER|>", "<|IMAGE_END|>",
    "<|VIDEO_START|>", "<|VIDEO_PLACEHOLDER|>", "<|VIDEO_END|>", "<|image_end|>",
)  # fmt: skip
WORDS = "a red blue apple on the table cat user assistant system you are kind . \n".split(" ")

#: A chat template as families have them: turns in marks, with a system turn before.
CHAT = (
    "{{ '<|im_start|>system you are kind<|im_end|>' }}"
    "{% for turn in messages %}{{ '<|im_start|>' + turn['role'] + ' ' }}"
    "{% for part in turn['content'] %}"
    "{% if part['type'] == 'image' %}{{ 'IMAGE' }}{% else %}{{ part['text'] }}{% endif %}"
    "{% endfor %}{{ '<|im_end|>' }}{% endfor %}"
)


@functools.cache
def tokenizer(**names: str) -> Any:
    """A tokenizer of words and, for what it does not know, bytes."""
    model = tokenizers.Tokenizer(tokenizers.models.BPE(byte_fallback=False))
    model.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    model.decoder = tokenizers.decoders.ByteLevel()
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=400,
        initial_alphabet=tokenizers.pre_tokenizers.ByteLevel.alphabet(),
        special_tokens=list(SPECIAL),
        show_progress=False,
    )
    model.train_from_iterator([" ".join(WORDS)] * 20, trainer)
    return t.PreTrainedTokenizerFast(
        tokenizer_object=model,
        pad_token="<pad>",
        bos_token="<s>",
        eos_token="</s>",
        unk_token="<unk>",
        extra_special_tokens=dict(names),
    )


def token(name: str) -> int:
    """The number of a special token."""
    return SPECIAL.index(name)


def picture(width: int, height: int, seed: int = 0) -> Image.Image:
    """A smooth picture with a different colour in each corner."""
    rng = np.random.default_rng(seed)
    small = Image.fromarray(rng.integers(0, 256, (2, 2, 3), dtype=np.uint8))
    return small.resize((width, height), Image.Resampling.BICUBIC)


# ---- text alone

_SIZE: dict[str, Any] = {
    "vocab_size": 512,
    "hidden_size": 32,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 512,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
_EIGHT = {"num_experts_per_tok": 2, "moe_intermediate_size": 16}
_LATENT = {
    "q_lora_rank": 16, "kv_lora_rank": 16, "qk_rope_head_dim": 4, "qk_nope_head_dim": 4,
    "v_head_dim": 8,
}  # fmt: skip
_GROUPS = {"n_routed_experts": 8, "n_group": 2, "topk_group": 1, "first_k_dense_replace": 1}
_SCALED = {"routed_scaling_factor": 2.5, "norm_topk_prob": True}

#: Family → (class of the model, class of the config, what differs from `_SIZE`).
TEXT_FAMILIES: dict[str, tuple[str, str, dict[str, Any]]] = {
    "olmoe": (
        "OlmoeForCausalLM", "OlmoeConfig",
        {"intermediate_size": 16, "num_experts": 8, "num_experts_per_tok": 2},
    ),
    "mixtral": (
        "MixtralForCausalLM", "MixtralConfig", {"intermediate_size": 16, "num_local_experts": 4}
    ),
    "qwen3_moe": (
        "Qwen3MoeForCausalLM", "Qwen3MoeConfig",
        {**_EIGHT, "num_experts": 8, "head_dim": 8, "norm_topk_prob": True, "mlp_only_layers": [0]},
    ),
    "granitemoe": (
        "GraniteMoeForCausalLM", "GraniteMoeConfig",
        {"intermediate_size": 16, "num_local_experts": 8, "num_experts_per_tok": 2},
    ),
    "gpt_oss": (
        "GptOssForCausalLM", "GptOssConfig",
        {"intermediate_size": 16, "num_local_experts": 8, "num_experts_per_tok": 2, "head_dim": 8},
    ),
    "deepseek_v2": (
        "DeepseekV2ForCausalLM", "DeepseekV2Config",
        {**_EIGHT, **_LATENT, **_GROUPS, "intermediate_size": 16, "topk_method": "greedy"},
    ),
    "deepseek_v3": (
        "DeepseekV3ForCausalLM", "DeepseekV3Config",
        {**_EIGHT, **_LATENT, **_GROUPS, **_SCALED, "intermediate_size": 16},
    ),
    "jetmoe": (
        "JetMoeForCausalLM", "JetMoeConfig",
        {"intermediate_size": 16, "kv_channels": 8, "num_local_experts": 4,
         "num_experts_per_tok": 2},
    ),
    "ernie4_5_moe": (
        "Ernie4_5_MoeForCausalLM", "Ernie4_5_MoeConfig",
        {"intermediate_size": 16, "moe_num_experts": 8, "moe_k": 2, "moe_intermediate_size": 16,
         "moe_layer_start_index": 1},
    ),
    "llama4_text": (
        "Llama4ForCausalLM", "Llama4TextConfig",
        {"intermediate_size": 16, "intermediate_size_mlp": 32, "head_dim": 8,
         "num_local_experts": 4, "num_experts_per_tok": 1, "interleave_moe_layer_step": 2},
    ),
}  # fmt: skip


def text_model(family: str) -> Any:
    """A model of a family that reads text alone."""
    model, config, differs = TEXT_FAMILIES[family]
    given = {**_SIZE, **differs}
    if family == "jetmoe":
        del given["num_attention_heads"]
    if family.startswith("deepseek"):
        del given["num_key_value_heads"]  # keys and values are of all heads
    return _made(getattr(t, model), getattr(t, config)(**given))


def _made(maker: Any, config: Any) -> Any:
    torch.manual_seed(0)
    model = maker(config).eval()
    # Routers of fresh models decide by differences in the sixth digit.
    generator = torch.Generator().manual_seed(1)
    for name, value in [*model.named_parameters(), *model.named_buffers()]:
        if name.endswith("e_score_correction_bias"):
            value.data = 0.3 * torch.randn(value.shape, generator=generator)
        elif any(part in name for part in ("gate.weight", "router.weight", "router.layer.weight")):
            value.data = torch.randn(value.shape, generator=generator).to(value.dtype)
    return model


# ---- with pictures

_QWEN_VISION: dict[str, Any] = {
    "depth": 1, "hidden_size": 16, "intermediate_size": 16, "num_heads": 2, "patch_size": 8,
    "spatial_merge_size": 2, "temporal_patch_size": 2, "out_hidden_size": 32,
    "num_position_embeddings": 16,
}  # fmt: skip
_MROPE = {"rope_type": "default", "mrope_section": [2, 1, 1], "rope_theta": 10000.0}
_TEXT: dict[str, Any] = {**_SIZE, **_EIGHT, "head_dim": 8, "intermediate_size": 16}


def _qwen3_vl() -> tuple[Any, Any]:
    config = t.Qwen3VLMoeConfig(
        text_config={**_TEXT, "num_experts": 8, "rope_parameters": _MROPE},
        vision_config={**_QWEN_VISION, "deepstack_visual_indexes": [0]},
        image_token_id=token("<|image_pad|>"),
        video_token_id=token("<|video_pad|>"),
        vision_start_token_id=token("<|vision_start|>"),
        vision_end_token_id=token("<|vision_end|>"),
    )
    model = _made(t.Qwen3VLMoeForConditionalGeneration, config)
    return model, _qwen_processor()


def _qwen_processor() -> Any:
    return t.Qwen3VLProcessor(
        image_processor=_qwen_pictures(),
        tokenizer=tokenizer(image_token="<|image_pad|>", video_token="<|video_pad|>"),
        video_processor=_NoVideo(),
        chat_template=CHAT.replace("IMAGE", "<|vision_start|><|image_pad|><|vision_end|>"),
    )


def _qwen_pictures() -> Any:
    from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

    return Qwen2VLImageProcessorPil(
        patch_size=8,
        temporal_patch_size=2,
        merge_size=2,
        size={"shortest_edge": 16 * 16, "longest_edge": 64 * 64},
    )


def _qwen3_5() -> tuple[Any, Any]:
    config = t.Qwen3_5MoeConfig(
        text_config={
            **_TEXT, "num_experts": 8, "shared_expert_intermediate_size": 16,
            "rope_parameters": {**_MROPE, "partial_rotary_factor": 1.0},
            "layer_types": ["linear_attention", "linear_attention", "full_attention"],
            "linear_num_key_heads": 2, "linear_num_value_heads": 2,
            "linear_key_head_dim": 8, "linear_value_head_dim": 8,
        },
        vision_config=_QWEN_VISION,
        image_token_id=token("<|image_pad|>"),
        video_token_id=token("<|video_pad|>"),
        vision_start_token_id=token("<|vision_start|>"),
        vision_end_token_id=token("<|vision_end|>"),
    )  # fmt: skip
    return _made(t.Qwen3_5MoeForConditionalGeneration, config), _qwen_processor()


def _glm4v() -> tuple[Any, Any]:
    from transformers.models.glm4v.image_processing_pil_glm4v import Glm4vImageProcessorPil

    config = t.Glm4vMoeConfig(
        text_config={
            **_TEXT, **_GROUPS, "n_shared_experts": 1,
            "rope_parameters": {**_MROPE, "partial_rotary_factor": 1.0},
        },
        vision_config={
            "depth": 1, "hidden_size": 32, "intermediate_size": 16, "num_heads": 2,
            "patch_size": 8, "image_size": 64, "spatial_merge_size": 2, "temporal_patch_size": 2,
            "out_hidden_size": 32,
        },
        image_token_id=token("<|image|>"),
        video_token_id=token("<|video|>"),
        image_start_token_id=token("<|begin_of_image|>"),
        image_end_token_id=token("<|end_of_image|>"),
        video_start_token_id=token("<|begin_of_video|>"),
        video_end_token_id=token("<|end_of_video|>"),
    )  # fmt: skip
    processor = t.Glm4vProcessor(
        image_processor=Glm4vImageProcessorPil(
            patch_size=8,
            temporal_patch_size=2,
            merge_size=2,
            size={"shortest_edge": 16 * 16 * 2, "longest_edge": 64 * 64 * 2},
        ),
        tokenizer=tokenizer(image_token="<|image|>", video_token="<|video|>"),
        video_processor=_NoVideo(),
        chat_template=CHAT.replace("IMAGE", "<|begin_of_image|><|image|><|end_of_image|>"),
    )
    return _made(t.Glm4vMoeForConditionalGeneration, config), processor


def _aria() -> tuple[Any, Any]:
    from transformers.models.aria.image_processing_pil_aria import AriaImageProcessorPil

    config = t.AriaConfig(
        text_config={
            **_SIZE, "intermediate_size": 16, "moe_num_experts": 8, "moe_topk": 2,
            "moe_num_shared_experts": 1, "model_type": "aria_text",
        },
        vision_config={
            "model_type": "idefics3_vision", "hidden_size": 16, "intermediate_size": 16,
            "num_hidden_layers": 2, "num_attention_heads": 2, "patch_size": 196, "image_size": 980,
        },
        vision_feature_layer=-1,
        projector_patch_to_query_dict={25: 8},
        image_token_index=token("<|image|>"),
    )  # fmt: skip
    processor = t.AriaProcessor(
        image_processor=AriaImageProcessorPil(),
        tokenizer=tokenizer(image_token="<|image|>"),
        size_conversion={980: 8},
        chat_template=CHAT.replace("IMAGE", "<|image|>"),
    )
    return _made(t.AriaForConditionalGeneration, config), processor


def _ernie_vl() -> tuple[Any, Any]:
    from transformers.models.ernie4_5_vl_moe.image_processing_pil_ernie4_5_vl_moe import (
        Ernie4_5_VLMoeImageProcessorPil,
    )

    config = t.Ernie4_5_VLMoeConfig(
        text_config={
            **_SIZE, "intermediate_size": 16, "moe_intermediate_size": [16, 8],
            "moe_num_experts": 4, "moe_k": 2, "moe_num_shared_experts": 1,
            "mlp_layer_types": ["dense", "sparse", "sparse"], "rope_parameters": {
                "rope_type": "default", "rope_theta": 10000.0, "mrope_section": [1, 1, 2]},
        },
        vision_config={
            "depth": 1, "hidden_size": 16, "intermediate_size": 16, "num_heads": 2,
            "patch_size": 8, "spatial_merge_size": 2, "temporal_merge_size": 2,
        },
        image_token_id=token("<|IMAGE_PLACEHOLDER|>"),
        image_start_token_id=token("<|IMAGE_START|>"),
        image_end_token_id=token("<|IMAGE_END|>"),
        video_token_id=token("<|VIDEO_PLACEHOLDER|>"),
        video_start_token_id=token("<|VIDEO_START|>"),
        video_end_token_id=token("<|VIDEO_END|>"),
    )  # fmt: skip
    processor = t.Ernie4_5_VLMoeProcessor(
        image_processor=Ernie4_5_VLMoeImageProcessorPil(
            patch_size=8, merge_size=2, size={"shortest_edge": 16 * 16, "longest_edge": 64 * 64}
        ),
        tokenizer=tokenizer(
            image_token="<|IMAGE_PLACEHOLDER|>",
            image_start_token="<|IMAGE_START|>",
            image_end_token="<|IMAGE_END|>",
            video_token="<|VIDEO_PLACEHOLDER|>",
            video_start_token="<|VIDEO_START|>",
            video_end_token="<|VIDEO_END|>",
        ),
        video_processor=_NoVideo(),
        chat_template=CHAT.replace("IMAGE", "<|IMAGE_START|><|IMAGE_PLACEHOLDER|><|IMAGE_END|>"),
    )
    return _made(t.Ernie4_5_VLMoeForConditionalGeneration, config), processor


def _llama4() -> tuple[Any, Any]:
    config = t.Llama4Config(
        text_config={
            **_SIZE, "intermediate_size": 16, "intermediate_size_mlp": 32, "head_dim": 8,
            "num_local_experts": 4, "num_experts_per_tok": 1, "interleave_moe_layer_step": 1,
        },
        vision_config={
            "hidden_size": 16, "intermediate_size": 64, "num_hidden_layers": 1,
            "num_attention_heads": 2, "patch_size": 8, "image_size": 32, "pixel_shuffle_ratio": 0.5,
            "projector_input_dim": 16, "projector_output_dim": 16, "vision_output_dim": 16,
        },
        image_token_index=token("<|patch|>"),
        boi_token_index=token("<|image_start|>"),
        eoi_token_index=token("<|image_end|>"),
    )  # fmt: skip
    processor = t.Llama4Processor(
        image_processor=_OneTile(),
        tokenizer=tokenizer(),
        patch_size=8,
        chat_template=CHAT.replace("IMAGE", "<|image|>"),
    )
    return _made(t.Llama4ForConditionalGeneration, config), processor


class _NoVideo:
    """In the place of a video processor, which needs torchvision."""

    def __init__(self) -> None:
        self.merge_size = self.temporal_patch_size = 2
        self.font = ""
        self.model_input_names: list[str] = []


class _OneTile:
    """In the place of Llama 4's image processor, which needs torchvision: one tile a picture."""

    size = 32
    model_input_names = ("pixel_values",)

    def fetch_images(self, images: Any) -> Any:
        return images

    def __call__(self, images: Any, **_: Any) -> Any:
        flat = [each for some in images for each in (some if isinstance(some, list) else [some])]
        pixels = [
            np.asarray(each.resize((self.size, self.size)), np.float32).transpose(2, 0, 1) / 127.5
            - 1
            for each in flat
        ]
        found = {"pixel_values": torch.from_numpy(np.stack(pixels))}
        return t.BatchFeature(
            {**found, "aspect_ratios": torch.ones(len(flat), 2, dtype=torch.long)}
        )


_MAKERS = {
    "qwen3_vl_moe": _qwen3_vl,
    "qwen3_5_moe": _qwen3_5,
    "glm4v_moe": _glm4v,
    "aria": _aria,
    "ernie4_5_vl_moe": _ernie_vl,
    "llama4": _llama4,
}
PICTURE_FAMILIES = tuple(_MAKERS)


@functools.cache
def model(family: str) -> tuple[Any, Any]:
    """A model of a family, and its processor or tokenizer."""
    if family in PICTURE_FAMILIES:
        return picture_model(family)
    return text_model(family), tokenizer()


def picture_model(family: str) -> tuple[Any, Any]:
    """A model of a family that reads pictures and text, and its processor."""
    # What stands in for parts that need torchvision is of no class of transformers.
    check = "check_argument_for_proper_class"
    with mock.patch.object(t.ProcessorMixin, check, return_value=None):
        return _MAKERS[family]()
