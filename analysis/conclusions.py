"""What frames of numbers amount to, in sentences that another run would change.

Each function takes the frames that a figure is drawn of, and says what can be concluded of them and
what cannot. A number counts as above another where its interval lies above that one's range.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import spearmanr

from analysis.colours import expert_label
from analysis.comparison import holm
from analysis.positions import places_beyond

#: A role that recurs in fewer resamples of the pairs is uncertain.
_SURE = 0.9
_LEVEL = 0.05


def on_separation(specialisation: pd.DataFrame, baselines: pd.DataFrame) -> list[str]:
    """Whether routers separate the modalities more than what needs no learning does.

    What has no interval, as where it was not resampled, is told apart from nothing.

    Args:
      specialisation: `analysis.modality_specialisation` of the trained routers.
      baselines: columns layer, router, nmi, low, high, as of `analysis.specialisation_baselines`
        without the rows of trained routers; may be empty.
    """
    found, beyond = [], []
    for row in _rows(specialisation):
        mine = baselines[baselines["layer"] == row.layer]
        measured = not np.isnan(row.low)
        value = (
            f"{row.corrected:.2f} ({row.low:.2f} to {row.high:.2f})"
            if measured
            else (f"{row.nmi:.2f}, without an interval")
        )
        above = mine[mine["high"] < row.low]
        below = mine[mine["low"] > row.high]
        alike = mine.drop(above.index).drop(below.index)
        said = [
            f"{words} {_values(rows)}"
            for words, rows in (
                ("more than", above),
                ("not told apart from", alike),
                ("less than", below),
            )
            if len(rows)
        ]
        found.append(
            f"Block {row.layer}: NMI {value}"
            + (f", {'; '.join(said)}." if said else ", with no baseline to compare it with.")
        )
        if len(mine) and len(above) == len(mine):
            beyond.append(int(row.layer))
    if not baselines.empty:
        found.append(
            f"So in {_blocks(beyond)} the modalities are separated more than by any of these."
            if beyond
            else "So in no block are they separated more than by all of these, and it may come of "
            "what the routers are given rather than of what they learned."
        )
    return found


def on_roles(roles: pd.DataFrame) -> list[str]:
    """Which roles there are, and how many of them another sample of pairs would change.

    Args:
      roles: `analysis.roles`.
    """
    found = []
    for layer, rows in roles.groupby("layer"):
        counts = rows["role"].value_counts()
        told = ", ".join(f"{count} {role}" for role, count in counts.sort_index().items())
        found.append(f"Block {layer}: {told}.")
    if roles["role_recurs"].isna().all():
        return [*found, "How sure these roles are was not measured."]
    unsure = int((roles["role_recurs"] < _SURE).sum())
    found.append(
        f"{_of(unsure, len(roles), 'expert')} may have another role: theirs recurs in less than "
        f"{_SURE:.0%} of the resamples."
    )
    return found


def on_agreement(agreement: pd.DataFrame) -> list[str]:
    """Which labels routing goes with, beyond what the labels of other pairs give.

    Args:
      agreement: `analysis.agreement_with_labels`.
    """
    asked = agreement.dropna(subset=["p"])
    if asked.empty:
        return ["Whether labels agree with the routing beyond chance was not measured."]
    beyond = (asked["ami"] > asked["null_high"]).any()
    if beyond and len(asked) * asked["p"].min() >= _LEVEL:
        return [
            f"The exchanges are too few, or the agreement is too little, for an answer that holds "
            f"after Holm's correction for {len(asked)} questions: the smallest p is "
            f"{asked['p'].min():.2g}."
        ]
    asked = asked.assign(p_holm=holm(asked["p"].to_numpy(np.float64)))
    sure = asked[asked["p_holm"] < _LEVEL]
    if sure.empty:
        return [
            f"No label agrees with the routing more than labels of other pairs do, in {len(asked)} "
            "questions with Holm's correction."
        ]
    found = [
        f"{modality} tokens go with {label} in {_blocks(rows['layer'])}: AMI "
        f"{_list(f'{a:.2f}' for a in rows['ami'])}, with labels of other pairs "
        f"{_list(f'{a:.2f}' for a in rows['null'])}."
        for (modality, label), rows in sure.groupby(["modality", "label"])
    ]
    return [
        *(each[0].upper() + each[1:] for each in found),
        f"The other {len(asked) - len(sure)} of {len(asked)} questions have no such answer, with "
        "Holm's correction.",
    ]


def on_onset(onset: pd.DataFrame) -> list[str]:
    """When separation rose above its start, by layer.

    Args:
      onset: `analysis.specialisation_onset`.
    """
    found = []
    for row in _rows(onset):
        change = f"NMI {row.baseline:.2f} at first, {row.last:.2f} at the end"
        if pd.isna(row.onset):
            found.append(
                f"Block {row.layer}: no lasting rise beyond chance ({change}), so nothing shows "
                "that training brought what is there at the end."
            )
        else:
            found.append(
                f"Block {row.layer}: from step {int(row.onset):,}{_steps(row.low, row.high)} on; "
                f"{change}."
            )
    return found


def _steps(low: Any, high: Any) -> str:
    """The interval of an onset; an end is missing where too many resamples have none."""
    if pd.isna(low):
        return ""
    end = "or not at all" if pd.isna(high) else f"to {int(high):,}"
    return f" (95 %: step {int(low):,} {end})"


def on_causes(causal: pd.DataFrame) -> list[str]:
    """What follows where experts are off, if the model can do the task at all.

    Args:
      causal: `analysis.causal_specialisation` or `analysis.measured_causes`.
    """
    if causal.empty:
        return ["No expert was taken away, so nothing shows what any is for."]
    first = causal.iloc[0]
    start = (
        f"With all experts the loss of {int(first['pairs']):,} pairs is {first['baseline']:.2f} "
        f"nats; guessing has {first['chance']:.2f}."
    )
    if first["baseline"] >= first["chance"]:
        return [
            f"{start} The model does no better than guessing here, so no rise of the loss says "
            "what an expert is for."
        ]
    found = [start]
    for modality in ("image", "text"):
        effect = causal[f"effect_{modality}"]
        needed, harmful = int((effect == "needed").sum()), int((effect == "harmful").sum())
        found.append(
            f"{_of(needed, len(causal), 'expert')} {'is' if needed == 1 else 'are'} needed for "
            f"{modality} tokens: the loss rises without. {harmful} "
            f"{'does' if harmful == 1 else 'do'} harm."
        )
    found.append(
        f"Of {2 * len(causal)} experts and modalities, in {questions(causal)} a token of the "
        f"modality chooses the expert; some {_LEVEL:.0%} of these would be needed or harmful if no "
        "expert did anything."
    )
    return found


def questions(causal: pd.DataFrame) -> int:
    """How many experts are switched off for a modality of which some token chooses them."""
    return sum(int((causal[f"{modality}_tokens"] > 0).sum()) for modality in ("image", "text"))


def on_purity_and_cause(purity: pd.Series, lean: pd.Series) -> list[str]:
    """Whether experts that take one modality's tokens are those that it needs.

    Args:
      purity: of experts, as `image_purity` of `analysis.roles`.
      lean: of the same experts' effects, from -1 (on text alone) to 1 (on images alone).
    """
    known = purity.notna().to_numpy() & lean.notna().to_numpy()  # else the correlation is NaN
    purity, lean = purity[known], lean[known]
    count = len(purity)
    if count < 4 or purity.nunique() < 2 or lean.nunique() < 2:
        return [f"Of {count} experts with an effect, no correlation can be told."]
    rank, p = spearmanr(purity, lean)
    if p >= _LEVEL:
        verdict = "which chance gives as well"
    else:
        verdict = "so they go together" if rank > 0 else "so they go against each other"
    return [
        f"Purity and the lean of effects have a rank correlation of {rank:.2f} over {count} "
        f"experts (p = {p:.2g}), {verdict}."
    ]


def on_words(words: pd.DataFrame, experts: int) -> list[str]:
    """How many experts have a word beyond chance.

    Args:
      words: `analysis.words_of_experts`, all words of a layer.
      experts: of the layer.
    """
    if words.empty or words["chance"].isna().all():
        return ["Whether any word of an expert is beyond chance was not measured."]
    sure = words[words["weight"] > words["chance"]]
    having = sure["expert"].nunique()
    best = [
        f"{rows['value'].iloc[0]!r} (×{rows['lift'].iloc[0]:.1f}, {expert_label(int(str(expert)))})"
        for expert, rows in sure.groupby("expert")
    ]
    return [
        f"{_of(having, experts, 'expert')} {'has' if having == 1 else 'have'} a word that the best "
        "of all words reaches in less than 5 % of exchanges of words between pairs"
        + (f": {_list(best)}." if best else ", so no list says more than chance.")
    ]


def on_places(maps: pd.DataFrame) -> list[str]:
    """How many experts have places, more than chance gives.

    Args:
      maps: `analysis.position_frame`.
    """
    found = places_beyond(maps)
    if not found["cells"].any():
        return ["Whether experts have places beyond chance was not measured."]
    more = found[found["more"]]
    return [
        f"{_of(len(more), len(found), 'expert')} {'has' if len(more) == 1 else 'have'} more places "
        "with an unusual share than 95 % of random moves of every picture's decisions give"
        + (
            ": "
            + _list(
                f"{expert_label(row.expert)} ({row.beyond} of {row.cells}, by chance up to "
                f"{row.most_beyond:.0f})"
                for row in _rows(more)
            )
            + "."
            if len(more)
            else ", so nothing shows that place matters."
        )
    ]


def _rows(frame: pd.DataFrame) -> Iterator[Any]:
    """Rows as tuples with names, of columns whose kinds are known here and not to pandas."""
    return frame.itertuples(index=False)


def _values(rows: pd.DataFrame) -> str:
    return _list(f"{row.router} ({row.nmi:.2f})" for row in _rows(rows))


def _blocks(layers: Sequence[int] | pd.Series) -> str:
    numbers = sorted({int(layer) for layer in layers})
    return f"block {numbers[0]}" if len(numbers) == 1 else f"blocks {_list(map(str, numbers))}"


def _list(items: Iterable[str]) -> str:
    *first, last = items
    return f"{', '.join(first)} and {last}" if first else last


def _of(count: int, total: int, what: str) -> str:
    return f"{count} of {total} {what}s"
