"""The one-tower LIMoE: embeddings, blocks, mixture-of-experts layers, heads.

A batch goes from `limoe` through every `block`; in a mixture of experts (`moe`) a `router` decides,
`assignment` gives out places, `dispatch` sends tokens to their `experts` and back.
"""

from limoe_core.model.assignment import Assignment, assign, capacity
from limoe_core.model.functional import FunctionalModel, Params, initial_params
from limoe_core.model.limoe import LIMoE, Output
from limoe_core.model.moe import MoE, Routing
from limoe_core.model.router import Decision, Intervention

__all__ = [
    "Assignment",
    "Decision",
    "FunctionalModel",
    "Intervention",
    "LIMoE",
    "MoE",
    "Output",
    "Params",
    "Routing",
    "assign",
    "capacity",
    "initial_params",
]
