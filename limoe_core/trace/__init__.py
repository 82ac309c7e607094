"""Routing traces: what every router decided about every token, in memory and in a file.

`docs/trace-format.md` says what a file holds, for whoever writes one with other tools.
`python -m limoe_core.trace FILE` says in words what is wrong with one.
"""

from limoe_core.trace.parts import IMAGE, MODALITIES, OTHER, TEXT, Pictures, Routers, TraceError
from limoe_core.trace.routing import RoutingTrace

__all__ = [
    "IMAGE",
    "MODALITIES",
    "OTHER",
    "TEXT",
    "Pictures",
    "Routers",
    "RoutingTrace",
    "TraceError",
]
