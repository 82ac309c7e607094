"""Train a LIMoE: `python -m limoe_core.train --preset emoji-tiny --run checkpoints/my-run`."""

from __future__ import annotations

from limoe_core.devices.host import keep_freed_memory

keep_freed_memory()  # here, since NumPy, which all that follows imports, starts threads

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, NoReturn

import tyro

from limoe_core import command
from limoe_core.config import Config, ConfigError
from limoe_core.devices.aside import end
from limoe_core.runs import RunError
from limoe_core.training.errors import TrainingError, without_library_noise


@dataclass(frozen=True)
class Command:
    """Train a model and write everything about it to a run directory."""

    run: Path
    """The run directory to write; its name is the run's name."""
    config: Annotated[Config, tyro.conf.arg(name="")]
    preset: command.PresetName = "emoji-tiny"
    resume: bool = False
    """Go on with a run that was stopped, with the settings that it was started with. More
    --train.steps, another --data.dir or --data.path with the same data, another --mesh and how
    often things are logged, saved, probed and evaluated may be given; what would make another model
    is refused."""
    init_from: str | None = None
    """Start from the parameters of a trained run: a folder such as checkpoints/limoe-emoji, or
    folder@step for another step than its newest. Settings that are not given are those of that
    run, or those of --preset. A mixture of experts may start from a dense run."""
    new_vocabulary: bool = False
    """With --init-from: train a vocabulary on the new captions instead of keeping that of the
    trained run."""
    mesh: str = ""
    """How many devices split the experts and how many more the batch, such as data=4,expert=2. By
    default every device takes a part of the batch and has all experts. May change on --resume."""


HELP = command.Help(
    "limoe_core.train",
    """
    # emoji-tiny, the default: an hour on two cores
    {program} --run checkpoints/my-run
    # go on after a stop, at any moment
    {program} --run checkpoints/my-run --resume
    # go on for longer
    {program} --run checkpoints/my-run --resume --train.steps 9000
    # seconds, to see that it works
    {program} --run checkpoints/try --preset debug
    # a preset with some settings changed
    {program} --run checkpoints/wide --model.experts 16 --train.steps 9000
    # your own pictures with captions or classes; docs/data.md says how they may lie
    {program} --run checkpoints/mine --data.path pictures/
    # from a trained model, with pictures of your own and a lower learning rate
    {program} --run checkpoints/tuned --init-from checkpoints/my-run \\
        --data.path pictures/ --optimizer.learning-rate 3e-4 --train.steps 500
    # a model of the paper on eight devices
    {program} --run checkpoints/coco --preset B/16 \\
        --data.name coco_captions --mesh data=4,expert=2
    """,
)

#: Exit code: a shell says 128 plus the signal's number.
INTERRUPTED = 130


@without_library_noise()
def main(arguments: list[str] | None = None) -> int:
    """The command line. Returns the exit code."""
    try:
        options = command.parse_with_preset(Command, arguments, HELP)

        # Here, since JAX and Orbax take seconds, which --help need not wait for.
        from limoe_core.devices import processes
        from limoe_core.training.fitting import LOWERED
        from limoe_core.training.loop import train
        from limoe_core.training.termination import (
            NOTHING_TO_SAVE,
            TERMINATED,
            Ended,
            Termination,
            leave,
        )

        processes.join()
        with Termination() as termination:
            try:
                train(
                    options.run,
                    options.config,
                    resume=options.resume,
                    mesh=options.mesh,
                    lower=command.not_given(LOWERED, arguments),
                    init_from=options.init_from,
                    new_vocabulary=options.new_vocabulary,
                    termination=termination,
                )
            except Ended:
                leave(NOTHING_TO_SAVE)
    except (ConfigError, RunError, TrainingError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("stopped; go on with --resume", file=sys.stderr)
        return INTERRUPTED
    if termination.asked and not termination.too_late:
        print("stopped and saved, as asked; go on with --resume", file=sys.stderr)
        return TERMINATED
    return 0


def command_line() -> NoReturn:
    """The process of the command, which does not wait for what is compiled in vain at its end."""
    end(main())


if __name__ == "__main__":
    command_line()
