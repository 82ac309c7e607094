"""Hostile copies of a good run: every kind of harm to every part."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks.resilience.hostile import archives, places, records, settings, traces
from benchmarks.resilience.hostile.cases import Case, Harm, clear, share
from limoe_core.runs import Run, files

#: Trace files of `traces.tampered`, each in a run of its own.
_TAMPERED = 40


def hostile_runs(
    source: Path, folder: Path, chosen: Callable[[str], bool] = lambda name: True
) -> list[Case]:
    """Makes several hundred hostile runs in `folder`, each a folder of its own.

    They share the files that are not hostile with `source`, by hard links, and what looks large is
    sparse: all of them take some 300 MB. Beside `folder` lies another one, `<folder>-outside`, to
    which links lead.

    Args:
      source: a good run with parameters, probe traces and their pictures, metrics, evaluations and
        predictions; it is not changed, and may lie in `folder`.
      chosen: whether to make the case of a name; all by default.

    Returns:
      The cases in a fixed order. Each name says which part is hostile and how.
    """
    run = Run.open(source)
    folder.mkdir(parents=True, exist_ok=True)
    cases = []
    for part, place, harms in _parts(run, places.outside_of(folder)):
        for harm in harms:
            name = f"{part.replace(' ', '-')}-{harm.name}"
            if not chosen(name):
                continue
            path = folder / name
            share(source, path)
            harm.do(path / place)
            cases.append(Case(name, part, harm.wrong, path))
    return cases


def _parts(run: Run, outside: Path) -> Iterator[tuple[str, Path, Iterator[Harm]]]:
    """Each part of the run, its place within the run, and what may be wrong with it."""
    step = run.resolve_step()
    probe = run.path_of("probe", run.probe_steps()[-1])
    pictures = run.path_of("probe pictures")
    parameters = run.path_of("parameters", step)
    answers = next(iter(sorted(run.path_of("predictions", step, "any").parent.iterdir())))
    arrays = parameters / files.PARAMS
    data = next(iter(sorted(each for each in arrays.rglob("*") if each.parent.name == "d")))
    any_file = partial(places.of_a_file, outside)
    any_folder = partial(places.of_a_folder, outside)
    for part, place, harms in (
        ("run", run.path, any_folder()),
        ("config", run.path_of("config"), any_file()),
        ("config", run.path_of("config"), settings.of_the_config()),
        ("config", run.path_of("config"), settings.other_models()),
        ("tokenizer", run.path_of("tokenizer"), any_file()),
        ("metrics", run.path_of("metrics"), any_file()),
        ("metrics", run.path_of("metrics"), records.of_the_metrics()),
        ("evaluations", run.path_of("evaluations"), any_file()),
        ("evaluations", run.path_of("evaluations"), records.of_the_evaluations()),
        ("predictions folder", answers.parent, any_folder()),
        ("predictions", answers, any_file()),
        ("predictions", answers, archives.of_an_archive("top")),
        ("predictions", answers, records.of_the_predictions()),
        ("probes", probe.parent, any_folder()),
        ("probe", probe, any_file()),
        ("probe", probe, archives.of_an_archive("probs")),
        ("probe", probe, _tampered()),
        ("pictures", pictures, any_file()),
        ("pictures", pictures, archives.of_an_archive("pictures")),
        ("pictures", pictures, records.of_the_pictures()),
        ("steps", parameters.parent, any_folder()),
        ("step", parameters, any_folder()),
        ("parameters", arrays, any_folder()),
        ("parameters metadata", arrays / "_METADATA", any_file()),
        ("parameters manifest", arrays / "manifest.ocdbt", any_file()),
        ("parameters data", data, any_file()),
        ("parameters", arrays, iter([Harm("nan", "every parameter is NaN", _not_numbers)])),
        ("causal", run.path_of("causal"), any_folder()),
    ):
        yield part, place.relative_to(run.path), harms


def _tampered() -> Iterator[Harm]:
    for number in range(1, _TAMPERED + 1):
        yield Harm(f"tampered-{number}", "a trace with wrong content", partial(_tamper, number))


def _tamper(number: int, path: Path) -> None:
    with np.load(path, allow_pickle=False) as file:
        good = {name: file[name] for name in file.files}
    arrays, _ = traces.tampered(good, np.random.default_rng((0, number)))
    clear(path)
    np.savez(path, **arrays)  # type: ignore[arg-type]


def _not_numbers(path: Path) -> None:
    """Writes the parameters anew, all of them NaN."""
    import jax

    steps = path.parent.parent
    run = Run.open(steps.parent)
    step = int(path.parent.name)
    params = run.restore_params(step)
    clear(path.parent)
    hollow = jax.tree.map(lambda leaf: np.full_like(leaf, np.nan), params)
    with run.checkpoints(keep=0) as store:
        store.save(step, hollow)
