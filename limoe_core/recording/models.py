"""Opening a model and its processor from a folder, or by the name that it has on the Hub."""

from __future__ import annotations

from typing import Any

import torch

from limoe_core.recording.errors import RecordingError

#: What a model's numbers may be kept in; "auto" is as they are on disk.
DTYPES = ("auto", "float32", "bfloat16", "float16")


def open_model(
    name: str,
    *,
    device: str | None = None,
    dtype: str = "auto",
    revision: str | None = None,
    trust_remote_code: bool = False,
) -> tuple[Any, Any]:
    """A model ready for inference, and its processor, or its tokenizer if it takes no pictures.

    Args:
      name: a folder, or a name on the Hub, from which it is then downloaded.
      device: such as `cuda`, `cuda:1` or `cpu`, or `auto` to spread it over all that there are
        (which needs the package accelerate); by default a GPU if there is one.
      dtype: one of `DTYPES`.
      revision: of a model on the Hub.
      trust_remote_code: run Python that comes with the model. Leave it off for models of people
        whom you do not trust.

    Raises:
      RecordingError: it cannot be opened, with what transformers says. Weights are read from
        safetensors files alone, since others may hold programs.
    """
    import transformers as t

    if dtype not in DTYPES:
        raise RecordingError(f"dtype must be one of {', '.join(DTYPES)}, not {dtype!r}")
    place = device or ("cuda" if torch.cuda.is_available() else "cpu")
    where: dict[str, Any] = {"revision": revision} if revision else {}
    where["trust_remote_code"] = trust_remote_code
    try:
        config = t.AutoConfig.from_pretrained(name, **where)
        kinds = t.models.auto.modeling_auto.MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES
        sees = config.model_type in kinds
        maker = t.AutoModelForImageTextToText if sees else t.AutoModelForCausalLM
        spread = {"device_map": "auto"} if place == "auto" else {}
        model = maker.from_pretrained(name, dtype=dtype, use_safetensors=True, **where, **spread)
        reader = t.AutoProcessor if sees else t.AutoTokenizer
        processor = reader.from_pretrained(name, **where)
        if place != "auto":
            model = model.to(place)
    except (OSError, ValueError, ImportError, RuntimeError) as error:
        first = next((line.strip() for line in str(error).splitlines() if line.strip()), "")
        raise RecordingError(f"{name} cannot be opened as a model: {first[:400]}") from error
    return model.eval(), processor
