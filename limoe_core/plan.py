"""What a run would need: `python -m limoe_core.plan --preset H/14 --mesh data=32,expert=32`.

Counts parameters, memory, FLOPs and bytes of a step on each device from the config alone, whether
it fits into the memory of a named device, and how long it would take at its rates or at given
ones. `--compile` also compiles the step for as many virtual devices and prints XLA's own count
beside it.
"""

from __future__ import annotations

import dataclasses
import json
import os
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from limoe_core import command
from limoe_core.config import Config, ConfigError

if TYPE_CHECKING:
    from limoe_core.devices.mesh import MeshShape
    from limoe_core.planning.devices import Device


@dataclass(frozen=True)
class Command:
    """Count what a training step needs on each device."""

    config: Annotated[Config, tyro.conf.arg(name="")]
    preset: command.PresetName = "emoji-tiny"
    device: str = "H100"
    """What it would run on: H200, H100, A100, v5p, v5e, v6e (TPUs, by chip) or cpu."""
    devices: int = 0
    """How many of them; 0 for as many as --mesh has."""
    mesh: str = ""
    """Devices along each axis, such as data=32,expert=32; by default all of them on data."""
    batch: int = 0
    """Pictures a step over all devices; 0 for the preset's."""
    caption_tokens: float = 0.0
    """Tokens of an average caption; 0 for the longest there may be."""
    memory_share: float = 0.0
    """Share of the device's memory that JAX takes, as XLA_PYTHON_CLIENT_MEM_FRACTION says; 0 for
    JAX's own, three quarters of a GPU's."""
    tflops: float = 0.0
    """Matrix rate of one device that the step would reach, in 10¹² FLOPs a second; 0 for 0.3 of
    what the device's maker publishes."""
    memory_gbps: float = 0.0
    """Bandwidth of one device's memory, in 10⁹ bytes a second; 0 for the device's."""
    network_gbps: float = 0.0
    """What one device sends to others, in 10⁹ bytes a second; 0 for the device's."""
    price: float = 0.0
    """Price of one device for an hour, in any currency, to say what the run costs."""
    compile: bool = False
    """Compile the step for virtual devices, and print XLA's count too."""
    json: bool = False
    """Print one JSON object."""


HELP = command.Help(
    "limoe_core.plan",
    """
    # one H100
    {program} --preset B/16 --batch 512
    # eight, and what the run costs
    {program} --preset B/16 --devices 8 --price 3
    # 1,024 TPU chips, with rates of your own
    {program} --preset H/14 --device v5p --mesh data=32,expert=32 \\
        --tflops 200 --network-gbps 100
    # with XLA's count beside it
    {program} --preset S/32 --mesh data=2,expert=2 --batch 64 --compile
    """,
)


def plan(options: Command) -> dict[str, Any]:
    """Every figure by name.

    Raises:
      ConfigError: for settings, a device or a mesh that cannot work.
    """
    from limoe_core.planning import cost
    from limoe_core.planning.devices import device
    from limoe_core.planning.fitting import largest_batch
    from limoe_core.planning.memory import memory
    from limoe_core.planning.traffic import traffic

    config, mesh = _settings(options)
    kind = device(options.device)
    rates = {
        "tflops": options.tflops or kind.tflops * kind.reached,
        "memory_gbps": options.memory_gbps or kind.memory_gbps,
        "network_gbps": options.network_gbps or kind.network_gbps(mesh.devices),
    }
    captions = options.caption_tokens or None
    tokens = cost.Tokens.of(config, captions)
    fused = kind.attends_fused(config.model)
    held = memory(config, mesh, tokens, fused=fused)
    room = kind.memory * (options.memory_share or kind.usable)
    moved = traffic(config, mesh, tokens, held)
    flops = cost.step_flops(config, tokens) / mesh.devices
    compute = flops / (rates["tflops"] * 1e12)
    reading = moved.memory / (rates["memory_gbps"] * 1e9)
    network = moved.network / (rates["network_gbps"] * 1e9)
    seconds = max(compute, reading) + network
    days = config.train.steps * seconds / 86_400
    found: dict[str, Any] = {
        "preset": options.preset,
        "device": options.device,
        "mesh": mesh._asdict(),
        "batch": config.data.batch_size,
        "tokens": {"image": tokens.image, "text": tokens.text},
        "parameters": dataclasses.asdict(cost.Parameters.of(config)),
        "bytes_per_device": {**held.by_name, "total": held.total},
        "room_per_device": room,
        "fits": held.total <= room,
        "largest_batch": largest_batch(config, mesh, room, caption_tokens=captions, fused=fused),
        "flops_per_device": flops,
        "traffic_per_device": dataclasses.asdict(moved),
        "seconds": {
            "compute": compute,
            "memory": reading,
            "network": network,
            "at_least": max(compute, reading, network),
            "one_after_another": seconds,
        },
        "run": {"steps": config.train.steps, "days": days},
        "rates": rates,
        "assumed": _assumptions(options, kind),
    }
    if options.price:
        found["run"]["price"] = days * 24 * mesh.devices * options.price
    if options.compile:
        from limoe_core.planning.aot import compiled_cost

        found["xla"] = compiled_cost(config, mesh)
    return found


def _settings(options: Command) -> tuple[Config, MeshShape]:
    """What would be trained, and the devices, if training could start with them.

    Raises:
      ConfigError: it could not.
    """
    from limoe_core.devices.mesh import MeshShape, batch_spec

    _require_amounts(options)
    config = options.config
    if options.batch:
        data = dataclasses.replace(config.data, batch_size=options.batch)
        config = dataclasses.replace(config, data=data)
    mesh = MeshShape.parse(options.mesh, options.devices or MeshShape.size_of(options.mesh))
    experts, groups = config.model.experts, config.train.groups
    if experts % mesh.expert:
        raise ConfigError(f"{experts} experts cannot be shared out to {mesh.expert} devices evenly")
    batch_spec(groups, config.data.batch_size // groups, mesh.devices)
    return config, mesh


def _require_amounts(options: Command) -> None:
    """Refuses counts and rates below 0, or that are no numbers, and more than all of the memory.

    Raises:
      ConfigError: there is one.
    """
    for field in dataclasses.fields(options):
        value = getattr(options, field.name)
        if type(value) in (int, float) and not 0 <= value < 1e15:
            raise ConfigError(
                f"--{field.name.replace('_', '-')} is {value}, not a number from 0 on"
            )
    if options.memory_share > 1:
        raise ConfigError(
            f"--memory-share is {options.memory_share:g}, and a device has no more than all of its "
            "memory; give a share from 0 to 1, such as 0.9"
        )


def _assumptions(options: Command, kind: Device) -> list[str]:
    """What the rates are from, in sentences."""
    told = [f"{options.device} as in {kind.source}"]
    if not options.tflops:
        told.append(
            f"a step reaches {kind.reached:.2g} of its {kind.tflops:g} TFLOP/s"
            + (" (measured on one H200 with B/16; say --tflops if you know better)")
            * (options.device != "cpu")
        )
    share = options.memory_share or kind.usable
    told.append(f"JAX takes {share:.0%} of its {kind.memory / 1e9:.3g} GB of memory")
    return told


def table(found: dict[str, Any]) -> str:
    """The figures as lines of text."""
    mesh, parameters, rates = found["mesh"], found["parameters"], found["rates"]
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
        _fit(found),
        f"  {'FLOPs a step':<15}{found['flops_per_device']:.3g}",
        *(f"  {'moved: ' + name:<19}{_bytes(value)}" for name, value in moved.items()),
        f"a step would take, at {rates['tflops']:.4g} TFLOP/s, {rates['memory_gbps']:g} GB/s of "
        f"memory and {rates['network_gbps']:g} GB/s between devices",
        *(f"  {name.replace('_', ' '):<19}{value:.3g} s" for name, value in seconds.items()),
        _whole_run(found),
        *(f"assumed: {sentence}" for sentence in found["assumed"]),
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


def _fit(found: dict[str, Any]) -> str:
    """Whether the step fits, and how large a batch would."""
    place = f"the {_bytes(found['room_per_device'])} that JAX takes of one {found['device']}"
    verdict = "fits into" if found["fits"] else "does not fit into"
    most = found["largest_batch"]
    if most:
        return f"  {verdict} {place}; the largest batch that does has {most:,} pictures"
    return (
        f"  {verdict} {place}, nor does any batch; cut experts or --train.shard over more devices"
    )


def _whole_run(found: dict[str, Any]) -> str:
    run = found["run"]
    days, price = run["days"], run.get("price")
    costs = "" if price is None else f" and cost {price:,.0f}"
    return f"{run['steps']:,} steps would take {days:.3g} days{costs}, one after another"


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
            from limoe_core.planning.aot import provide_devices

            provide_devices(_settings(options)[1].devices)
        found = plan(options)
    except ConfigError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(json.dumps(found) if options.json else table(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
