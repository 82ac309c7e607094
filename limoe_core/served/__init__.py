"""Routing that servers and libraries return, made a run that the dashboard opens.

vLLM (`--enable-return-routed-experts`) and SGLang (`return_routed_experts`) give the experts that
each token was sent to, and nothing else; transformers (`output_router_logits=True`) gives logits.

    from limoe_core.served import Request, of_vllm, save
    requests = [Request(of_vllm(choice), caption="a cat") for choice in responses]
    save(requests, "checkpoints/served", experts=128, made_by={"library": "vllm", "model": "…"})

`python -m limoe_core.served` does the same with a file of requests.
"""

from limoe_core.served.choices import ServedError, of_logits, of_sglang, of_vllm
from limoe_core.served.requests import Request, save, trace

__all__ = ["Request", "ServedError", "of_logits", "of_sglang", "of_vllm", "save", "trace"]
