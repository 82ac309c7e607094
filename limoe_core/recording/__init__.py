"""Recording the routing of other models: those of transformers with experts.

    from limoe_core.recording import RecordedPair, open_model, record

    model, processor = open_model("some-model")
    record(model, processor, [RecordedPair("a red apple", [picture])], run="checkpoints/some-model")

`docs/lens.md` is the guide. Needs the extra `[transformers]`; nothing outside of this folder
imports torch or transformers.
"""

from limoe_core.recording.causes import CAPTION_LOSS, Measure, loss_of_caption, measure_causes
from limoe_core.recording.errors import RecordingError
from limoe_core.recording.models import open_model
from limoe_core.recording.pairs import PairFolder
from limoe_core.recording.prompts import RecordedPair
from limoe_core.recording.recorder import record

__all__ = [
    "CAPTION_LOSS",
    "Measure",
    "PairFolder",
    "RecordedPair",
    "RecordingError",
    "loss_of_caption",
    "measure_causes",
    "open_model",
    "record",
]
