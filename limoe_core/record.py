"""python -m limoe_core.record: records the routing of a transformers model, for the dashboard."""

from __future__ import annotations

import inspect
import itertools
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro
from tqdm.auto import tqdm

from limoe_core.config import ConfigError
from limoe_core.runs.files import RunError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from limoe_core.recording import PairFolder, RecordedPair
    from limoe_core.runs import Run

#: Pairs that cannot be read are named up to so many.
_SHOWN = 5


_EXAMPLES = """examples:
  # a model on disk, and a folder of pictures with their captions
  {program} models/qwen --pairs pictures/ --run checkpoints/qwen
  # the first hundred pairs of a table, and what each expert is for
  {program} models/qwen --pairs pairs.csv --run checkpoints/qwen --limit 100 --causes off"""

_VARIANTS: dict[str, Any] = {"off": "next best", "silent": "none", "forced": "forced"}


@dataclass(frozen=True)
class Arguments:
    """Record what the routers of a model decide about pairs of pictures and texts.

    The run that is written opens in the dashboard as those of training do. A recording that was
    stopped goes on when the same command is given again.
    """

    model: Annotated[str, tyro.conf.Positional]
    """Folder of a model of transformers, or its name on the Hub."""
    pairs: str
    """Folder or file with pairs, as for --data.path of training: see docs/data.md."""
    run: str
    """Folder of the run to write, such as checkpoints/my-model."""
    batch: int = 1
    """Pairs in one forward pass."""
    limit: int | None = None
    """Pairs to record; by default all."""
    split: Literal["train", "validation", "test"] | None = None
    """Record the pairs of one split alone."""
    prompt: str | None = None
    """Words with {image} and {text}, in place of the model's chat template."""
    scores: bool = False
    """Keep the score of every expert too, which takes many times the room."""
    causes: Literal["off", "silent", "forced"] | None = None
    """After the recording, measure what each expert is for: the loss of the captions with the
    expert switched off, silenced or forced for one kind of token. Takes up to two passes of all
    pairs for every expert."""
    routers: tuple[int, ...] = ()
    """Numbers of the routers to measure causes at; by default all."""
    device: str | None = None
    """Such as cuda, cuda:1 or cpu, or auto to spread the model over all (needs accelerate). By
    default a GPU if there is one."""
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    """What the model's numbers are kept in; auto is as on disk."""
    revision: str | None = None
    """Revision of a model on the Hub."""
    trust_remote_code: bool = False
    """Run Python that comes with the model. Leave it off for models that you do not trust."""
    image_column: str | None = None
    """As for --data.image-column of training."""
    text_column: str | None = None
    """As for --data.text-column of training."""


def main(argv: list[str] | None = None) -> int:
    """The command line. Returns the exit code."""
    installed = Path(sys.argv[0]).stem == "limoe-record"
    program = "limoe-record" if installed else "python -m limoe_core.record"
    about = f"{inspect.getdoc(Arguments)}\n\n{_EXAMPLES.replace('{program}', program)}"
    arguments = tyro.cli(Arguments, args=argv, prog=program, description=about)
    try:
        import torch  # noqa: F401
        import transformers  # noqa: F401
    except ImportError:
        print(
            "error: recording needs torch and transformers; install them with "
            "pip install 'limoe-lens[transformers]'",
            file=sys.stderr,
        )
        return 1
    from limoe_core.recording import RecordingError

    try:
        _recorded(arguments)
    except (ConfigError, RecordingError, RunError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"stopped; the same command goes on with {arguments.run}", file=sys.stderr)
        return 130
    return 0


def _recorded(arguments: Arguments) -> None:
    from limoe_core.recording import PairFolder, open_model, record

    pairs = PairFolder(
        arguments.pairs, arguments.image_column, arguments.text_column, arguments.split or ""
    )
    model, processor = open_model(
        arguments.model,
        device=arguments.device,
        dtype=arguments.dtype,
        revision=arguments.revision,
        trust_remote_code=arguments.trust_remote_code,
    )
    some = _Some(pairs, arguments.limit, with_pictures=hasattr(processor, "image_processor"))
    notes: list[str] = []
    with tqdm(desc="Recording", total=some.count, unit=" pairs") as bar:
        run = record(
            model,
            processor,
            some,
            run=arguments.run,
            batch=arguments.batch,
            prompt=arguments.prompt,
            scores=arguments.scores,
            name=arguments.model,
            revision=arguments.revision or "",
            data=arguments.pairs,
            progress=lambda done: _moved(bar, done),
            notes=notes,
        )
    for note in [*notes, *_problems(pairs)]:
        print(note)
    if arguments.causes is not None:
        _measured(arguments, run, model, processor, some)
    print(f"recorded in {run.path}; look at it with: limoe-lens --runs {run.path.parent}")


def _measured(arguments: Arguments, run: Run, model: Any, processor: Any, pairs: _Some) -> None:
    from limoe_core.recording import measure_causes

    with tqdm(desc="Measuring causes", unit=" experts") as bar:

        def progress(done: int, total: int) -> None:
            bar.total = total
            _moved(bar, done)

        measure_causes(
            model,
            processor,
            pairs,
            run=run,
            variant=_VARIANTS[str(arguments.causes)],
            routers=arguments.routers or None,
            batch=arguments.batch,
            prompt=arguments.prompt,
            progress=progress,
        )


@dataclass(frozen=True)
class _Some:
    """The first pairs of a folder; without pictures for a model that takes none."""

    pairs: PairFolder
    limit: int | None
    with_pictures: bool

    @property
    def count(self) -> int | None:
        every = self.pairs.count
        return every if self.limit is None else min(self.limit, every or self.limit)

    def __iter__(self) -> Iterator[RecordedPair]:
        for pair in itertools.islice(self.pairs, self.limit):
            yield pair if self.with_pictures else replace(pair, pictures=())


def _moved(bar: Any, done: int) -> None:
    bar.update(done - bar.n)


def _problems(pairs: PairFolder) -> Sequence[str]:
    found = [f"left out: {problem}" for problem in pairs.problems[:_SHOWN]]
    further = len(pairs.problems) - len(found)
    return [*found, f"and {further:,} more pairs"] if further > 0 else found


if __name__ == "__main__":
    sys.exit(main())
