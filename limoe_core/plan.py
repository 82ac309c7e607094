"""What a run would need: `python -m limoe_core.plan --preset H/14 --mesh data=32,expert=32`.

Counts parameters, memory, FLOPs and bytes of a step on each device from the config alone, and how
long they would take at given rates. `--compile` also compiles the step for as many virtual devices
and prints XLA's own count beside it.
"""

from __future__ import annotations

import dataclasses
import json
import os
import sys
from dataclasses import dataclass
from typing import Annotated, Any

import tyro

from limoe_core import command
from limoe_core.config import Config, ConfigError


@dataclass(frozen=True)
class Command:
    """Count what a training step needs on each device."""

    config: Annotated[Config, tyro.conf.arg(name="")]
    preset: command.PresetName = "emoji-tiny"
    mesh: str = "data=1,expert=1"
    """Devices along each axis, such as data=32,expert=32."""
    batch: int = 0
    """Pictures a step over all devices; 0 for the preset's."""
    caption_tokens: float = 0.0
    """Tokens of an average caption; 0 for the longest there may be."""
    tflops: float = 400.0
    """Matrix rate of one device that the step would reach, in 10¹² FLOPs a second."""
    memory_gbps: float = 3000.0
    """Bandwidth of one device's memory, in 10⁹ bytes a second."""
    network_gbps: float = 50.0
    """Bandwidth between devices, in 10⁹ bytes a second and device."""
    compile: bool = False
    """Compile the step for virtual devices, and print XLA's count too."""
    json: bool = False
    """Print one JSON object."""


HELP = command.Help(
    "limoe_core.plan",
    """
    # one device
    {program} --preset B/16 --batch 512
    # 1,024 devices, with rates of your own
    {program} --preset H/14 --mesh data=32,expert=32 \\
        --tflops 300 --network-gbps 100
    # with XLA's count beside it
    {program} --preset S/32 --mesh data=2,expert=2 --batch 64 --compile
    """,
)


def plan(options: Command) -> dict[str, Any]:
    """Every figure by name.

    Raises:
      ConfigError: for settings, or a mesh, that cannot work.
    """
    from limoe_core.devices.mesh import MeshShape
    from limoe_core.planning import cost

    config = options.config
    if options.batch:
        data = dataclasses.replace(config.data, batch_size=options.batch)
        config = dataclasses.replace(config, data=data)
    mesh = MeshShape.parse(options.mesh, MeshShape.size_of(options.mesh))
    experts = config.model.experts
    if experts % mesh.expert:
        raise ConfigError(f"{experts} experts cannot be shared out to {mesh.expert} devices evenly")
    tokens = cost.Tokens.of(config, options.caption_tokens or None)
    parameters = cost.Parameters.of(config)
    held = cost.memory(config, mesh, tokens)
    moved = cost.traffic(config, mesh, tokens)
    flops = cost.step_flops(config, tokens) / mesh.devices
    compute = flops / (options.tflops * 1e12)
    memory = moved.memory / (options.memory_gbps * 1e9)
    network = (moved.experts + moved.gradients + moved.embeddings) / (options.network_gbps * 1e9)
    found: dict[str, Any] = {
        "preset": options.preset,
        "mesh": mesh._asdict(),
        "batch": config.data.batch_size,
        "tokens": {"image": tokens.image, "text": tokens.text},
        "parameters": dataclasses.asdict(parameters),
        "bytes_per_device": {**dataclasses.asdict(held), "total": held.total},
        "flops_per_device": flops,
        "traffic_per_device": dataclasses.asdict(moved),
        "seconds": {
            "compute": compute,
            "memory": memory,
            "network": network,
            "at_least": max(compute, memory, network),
            "one_after_another": max(compute, memory) + network,
        },
        "rates": {
            "tflops": options.tflops,
            "memory_gbps": options.memory_gbps,
            "network_gbps": options.network_gbps,
        },
    }
    if options.compile:
        from limoe_core.planning.aot import compiled_cost

        found["xla"] = compiled_cost(config, mesh)
    return found


def table(found: dict[str, Any]) -> str:
    """The figures as lines of text."""
    mesh, parameters = found["mesh"], found["parameters"]
    held, moved, seconds = (
        found["bytes_per_device"],
        found["traffic_per_device"],
        found["seconds"],
    )
    lines = [
        f"{found['preset']} on data={mesh['data']},expert={mesh['expert']}, "
        f"batch {found['batch']:,}: {found['tokens']['image']:,} image tokens and "
        f"{found['tokens']['text']:,} text tokens a step",
        f"parameters       {_short(parameters['total'])} in all, "
        f"{_short(parameters['active'])} active for a token, "
        f"{_short(parameters['experts'])} in experts",
        "on each device",
        *(f"  {name:<15}{_bytes(value)}" for name, value in held.items()),
        f"  {'FLOPs a step':<15}{found['flops_per_device']:.3g}",
        *(f"  {'moved: ' + name:<19}{_bytes(value)}" for name, value in moved.items()),
        "a step would take",
        *(f"  {name.replace('_', ' '):<19}{value:.3g} s" for name, value in seconds.items()),
    ]
    if "xla" in found:
        xla = found["xla"]
        lines += [
            "XLA counts, on each device",
            f"  {'FLOPs a step':<15}{xla['flops']:.3g} "
            f"({xla['flops'] / found['flops_per_device']:.2f} times ours)",
            f"  {'arguments':<15}{_bytes(xla['arguments'])}",
            f"  {'temporary':<15}{_bytes(xla['temporary'])}",
        ]
    return "\n".join(lines)


def _short(number: float) -> str:
    for size, name in ((1e9, " B"), (1e6, " M"), (1e3, " k")):
        if number >= size:
            return f"{number / size:.4g}{name}"
    return f"{number:g}"


def _bytes(number: float) -> str:
    for size, name in ((2**30, "GiB"), (2**20, "MiB"), (2**10, "KiB")):
        if number >= size:
            return f"{number / size:.4g} {name}"
    return f"{number:.0f} B"


def main(arguments: list[str] | None = None) -> int:
    """The command line. Returns the exit code."""
    os.environ.setdefault("JAX_PLATFORMS", "cpu")  # nothing is computed
    try:
        options = command.parse_with_preset(Command, arguments, HELP)
        if options.compile:
            from limoe_core.devices.mesh import MeshShape
            from limoe_core.planning.aot import provide_devices

            provide_devices(MeshShape.size_of(options.mesh))
        found = plan(options)
    except ConfigError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(json.dumps(found) if options.json else table(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
