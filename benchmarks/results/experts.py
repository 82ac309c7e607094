"""Block about the experts: what they do, beside what routers do that learned nothing."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

import analysis
from analysis.conclusions import questions
from benchmarks.results import markdown
from benchmarks.results.gathered import Results
from limoe_core.runs.experts import ExpertRecord
from limoe_core.trace import MODALITIES

#: Of `analysis.specialisation_baselines`, with their headings.
_BASELINES = {
    "step 0": "untrained",
    "k-means": "k-means",
    "k-means, by token": "k-means, by token",
    "random": "random",
}
#: The trained routers on what the others were given.
_SAME = "trained, same pairs"
#: Roles in the order of the table, by the beginning of their names.
_ROLES = ("image", "text", "mixed", "leaning", "dead")
#: A role that comes again in fewer resamples of the pairs is uncertain.
_SURE = 0.9


def experts(results: Results) -> str:
    """Specialisation, roles, drops and causes by layer, and what speaks against them."""
    measured = results.experts
    if measured is None:
        return markdown.prose(
            f"Experts of {results.limoe.name} at step {results.step:,} were not measured; "
            "`python -m limoe_core.evaluate --run … --experts` does it."
        )
    baselines = analysis.specialisation_baselines(measured)
    causes = analysis.measured_causes(measured)
    roles = analysis.roles(measured.trace)
    splits = ", ".join(f"{count:,} of `{name}`" for name, count in measured.told["splits"].items())
    return "\n\n".join(
        [
            markdown.prose(
                f"Measured on {measured.pairs:,} pairs ({splits}), {measured.told['group']} at a "
                "time at the capacity of training. NMI: normalised mutual information of modality "
                "and expert, less the bias of few pairs, with its interval of 95 % (jackknife). "
                f"Baselines: the same routers before the first step, and means of draws of routers "
                f"that learned nothing, on the same inputs of {measured.others.pairs:,} pairs."
            ),
            _specialisation(measured, baselines),
            _roles(measured, roles, causes),
            markdown.bullets(_against(measured, baselines, roles, causes)),
        ]
    )


def _specialisation(measured: ExpertRecord, baselines: pd.DataFrame) -> str:
    found = analysis.modality_specialisation(measured.trace)
    value = baselines.set_index(["layer", "router"])["nmi"].to_dict()
    there = [name for name in _BASELINES if name in set(baselines["router"])]
    rows = [
        [
            str(row["layer"]),
            f"{markdown.nmi(row['corrected'])} "
            f"({markdown.nmi(row['low'])}–{markdown.nmi(row['high'])})",
            markdown.nmi(value[row["layer"], _SAME]),
            *(markdown.nmi(value[row["layer"], name]) for name in there),
        ]
        for row in found.to_dict("records")
    ]
    same = f"NMI of the {measured.others.pairs:,} pairs"
    return markdown.table(["block", "NMI", same, *(_BASELINES[name] for name in there)], rows)


def _roles(measured: ExpertRecord, roles: pd.DataFrame, causes: pd.DataFrame) -> str:
    health = analysis.measured_health(measured)
    dropped = health.set_index(["layer", "modality"])["drop_rate"].to_dict()
    rows = []
    for layer, of_layer in roles.groupby("layer"):
        mine = causes[causes["layer"] == layer]
        sure = of_layer["role_recurs"] >= _SURE
        rows.append(
            [
                str(int(str(layer))),
                *(_count(of_layer["role"].str.startswith(role), sure) for role in _ROLES),
                *(
                    f"{(mine[f'effect_{modality}'] == 'needed').sum()}"
                    f"{_harmful(int((mine[f'effect_{modality}'] == 'harmful').sum()))}"
                    for modality in MODALITIES
                ),
                " / ".join(f"{dropped[layer, modality]:.1%}" for modality in MODALITIES),
            ]
        )
    columns = ["block", *_ROLES, "needed for images", "needed for text", "dropped, image / text"]
    return markdown.table(columns, rows)


def _count(mine: pd.Series, sure: pd.Series) -> str:
    """How many experts have a role, and how many of them surely."""
    count, certain = int(mine.sum()), int((mine & sure).sum())
    return str(count) if count == certain else f"{count} ({certain} sure)"


def _harmful(count: int) -> str:
    return f", {count} harmful" if count else ""


def _against(
    measured: ExpertRecord, baselines: pd.DataFrame, roles: pd.DataFrame, causes: pd.DataFrame
) -> Iterator[str]:
    value = baselines.pivot(index="layer", columns="router", values="nmi")
    high = baselines.pivot(index="layer", columns="router", values="high")
    trained = value[_SAME]
    layers = len(trained)
    reached = []
    for name, words in _BASELINES.items():
        if name in value:
            mine = value["trained"] if name == "step 0" else trained
            reached.append(f"{words} in {int((mine > high[name]).sum())}")
    yield (
        "Separation of the modalities may be the geometry of what the routers are given, and not "
        f"what they learned. Of {markdown.counted(layers, 'block')}, the trained routers are above "
        f"95 % of the draws of {', '.join(reached)}. k-means is told how many tokens each "
        "modality has; by token, it is told nothing."
    )
    unsure = int((roles["role_recurs"] < _SURE).sum())
    yield (
        "A role depends on which pairs are asked: "
        f"{unsure} of {markdown.counted(len(roles), 'expert')} "
        f"{'has' if unsure == 1 else 'have'} another in more than a tenth of the resamples."
    )
    row = causes.iloc[0]
    better = row["baseline"] < row["chance"]
    yield (
        f"Needed: the loss of {int(row['pairs']):,} pairs of `{measured.causal.split}` rises "
        "without the expert, its tokens going to the next best, by more than chance (95 % over "
        f"pairs). Of {2 * len(causes)} experts and modalities, in {questions(causes)} a "
        "token of the modality chooses the expert; some 5 % of these answer so by chance. The loss "
        f"with all experts is {row['baseline']:.2f} nats where guessing has {row['chance']:.2f}"
        + (
            "."
            if better
            else ": worse than guessing, so its rises say nothing of what the model can do."
        )
    )
