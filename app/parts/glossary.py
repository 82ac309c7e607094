"""Glossary of the pages: one wording for each term, for help texts everywhere."""

from __future__ import annotations

TERMS: dict[str, str] = {
    "run": "One training run: a folder with its settings, its parameters at some steps, and the "
    "routing of a fixed set of validation pairs (probe traces) at many steps.",
    "step": "Training steps done so far. At each probe step the routing of the same validation "
    "pairs was recorded, so that the same pair can be followed through training.",
    "token": "A unit that the Transformer processes: a patch of the picture or a piece of the "
    "text. Both kinds go through the same blocks and the same experts.",
    "patch": "A square of the picture; the patches, row by row, are its tokens.",
    "piece": "A part of a word from the tokenizer's vocabulary. ␣ marks the start of a word. "
    "Characters that the vocabulary lacks fall back to bytes, written like <0xE2>.",
    "modality": "Whether a token comes from the picture (image) or from the text (text). The model "
    "is never told which.",
    "router": "A linear layer that gives each token a probability for each expert: "
    "p(e|x) = softmax(W x).",
    "gate": "The router's probability for the expert that a token is sent to. It multiplies the "
    "expert's output, so it is also how much the expert counts. Shown here as opacity.",
    "expert": "One of the E MLPs of a mixture-of-experts layer. Each token is sent to the K "
    "experts with the highest gate values; loss-free balancing adds a bias of each expert first.",
    "capacity": "The maximum number of tokens that an expert takes from a routing group of n "
    "tokens: C = ⌈K · n · capacity factor / E⌉. Patches and pieces compete for the same slots.",
    "dropped": "A token whose expert was full. That expert then adds nothing to it; "
    "the token goes on through the residual connection. Shown hatched.",
    "entropy": "How uncertain the router is about a token, in nats: 0 when one expert gets all the "
    "probability, ln E when all experts get the same.",
    "layer": "A block of the Transformer with a mixture of experts in place of its MLP, counted "
    "from 1. Experts of different layers are unrelated, even where they share a number.",
    "modality share": "Of all image tokens, or of all text tokens, the share that goes to this "
    "expert: of all choices, where a token has several. A picture has many times more tokens than "
    "a caption, so raw counts would mislead: each modality is normalised on its own.",
    "role": "What an expert does, with the modalities weighted equally: an image or text expert "
    "takes over 90 % of its tokens from that modality, a mixed one over 20 % from each; anything "
    "in between leans to one. A dead one gets at most a tenth of an even share of either "
    "modality's choices. Recurs: in how many of 500 resamples of the pairs the role is the same.",
    "specialisation": "Normalised mutual information of modality and expert, I(M; E) / min(H(M), "
    "H(E)), with each modality weighted equally: 0 if the expert says nothing about the modality, "
    "1 if one of them determines the other. Few pairs look more specialised than many, so the "
    "interval (jackknife over pairs) lies around the value less that bias. What the geometry of "
    "the inputs gives without any training of the router: see step 0 and the sceptic's check.",
    "onset": "The first probe step from which modality NMI stays above its value at the first one, "
    "by more than chance gives: 95 % of the exchanges of a pair's two routings, first and later, "
    "have a smaller largest rise over all steps. The interval resamples concepts. It lies between "
    "this probe and the one before. None: the untrained routers sort as well, or nearly so.",
    "divergence": "Jensen–Shannon divergence of the shares of image and of text tokens among the "
    "experts: 0 bits if both modalities use the experts alike, 1 bit if no expert serves both. It "
    "is the mutual information of modality and expert, modalities weighted equally, and so the "
    "NMI itself, times the entropy of the experts in bits where that is below 1.",
    "removal": "Experts are switched off one after the other for the tokens of one modality, which "
    "go to the best expert that is left. Most needed first: by the rise of the loss with that "
    "expert alone off, measured on other pairs. If experts did the same, the order would not "
    "matter. Accuracy: pictures whose own text is nearest among the texts of all pairs.",
    "co-activation": "How often tokens have two experts together, over how often they would if "
    "each token drew its K experts independently with fixed odds that give every expert the share "
    "it has. 1 means that nothing ties the two together.",
    "familiarity": "how much of a concept's name, in the first language, some caption of training "
    "has: the same words, order, number and little words aside; one word more or less, or another "
    "one beside two that are the same; all of its words, in several captions; not even those. A "
    "new concept whose name training read is less new than its pictures.",
    "nearest picture": "Chance: of guessing. Nearest labelled picture: every test picture gets the "
    "name of the training picture that is nearest to it in pixels, or in outlines (histograms of "
    "oriented gradients) and colour. It needs no model, and has an easier task: it sees labelled "
    "pictures of every class, and the model only captions.",
    "all differences": "Every difference that both runs were asked for, none picked. Intervals "
    "resample concepts, each row by itself. p: that so large a difference comes of two runs that "
    "are alike (exchanging them concept by concept), corrected for the number of rows (Holm).",
    "overlap": "A router is a linear map, so tokens with similar inputs share experts whatever it "
    "has learned. Here is how fast the share of common experts rises with similarity, within each "
    "modality and between both.",
    "causal specialisation": "Switch an expert off for image tokens only, then for text tokens "
    "only, and measure how much the contrastive loss rises: |δ image − δ text| / (|δ image| + |δ "
    "text|). 0 if δ is the same for both modalities, 1 if it is 0 for one of them or they have "
    "opposite signs; no index for an expert whose intervals both hold 0, since of two noises it is "
    "near 1 too.",
    "intervention": "A change to what routers do: an expert is off (its tokens go to their next "
    "best), silenced (it gives them nothing) or takes all tokens, for one modality or both. What "
    "follows is caused by the change, whatever tokens the expert usually gets. Whether it is this "
    "expert that matters shows beside other changes of the same kind.",
    "regret": "A token's route is its first choice in each MoE layer. Every other route is tried, "
    "the token alone, with the gate values that the routers give; regret is the loss on the "
    "router's route less the least of all. It is never below 0, and the best of many is better by "
    "chance: see what share of routes the router's own beats. A random one beats half.",
    "router entropies": "Token entropy: mean entropy of single tokens' gate distributions, the "
    "paper's local entropy; low when routers are confident. Mean entropy: entropy of the average "
    "distribution, its global entropy; high when a modality spreads over many experts. In nats.",
    "lift": "Share relative to the base rate: of the tokens with this label, the share routed to "
    "the expert, divided by that share over all tokens of the modality. 1 means no preference. "
    "Tokens of a pair are routed alike whatever its label is, so a lift counts only beyond what "
    "the labels of other pairs (categories: of other concepts) give.",
    "agreement": "Adjusted mutual information of expert and label: about 0 when routing is "
    "independent of the label, 1 when one determines the other; corrected for the chance agreement "
    "of independent tokens. Those of one pair are not independent: compare with the value that the "
    "labels of other pairs (categories: of other concepts) give.",
    "path": "The first-choice experts of a token in one MoE layer after the other.",
    "sceptic's check": "Routers are linear maps, so tokens with similar inputs share experts by "
    "construction. How much of the specialisation would k-means clusters of the routers' inputs, "
    "or routers with random weights, show on the same inputs?",
    "saturation": "Router saturation (OLMoE): the share of the probe tokens that are already "
    "routed as at the last step. Routers that ignore their input agree by chance: compare with "
    "step 0, and with chance in the exported numbers.",
    "zero-shot": "A picture is classified by the text whose embedding is nearest to its own; the "
    "model was never trained on these classes as classes.",
    "temperature": "The learned number that divides cosine similarities before the softmax: the "
    "smaller, the sharper the probabilities.",
    "similarity": "Cosine of the angle between the embeddings of picture and text: 1 for the same "
    "direction, 0 for unrelated ones.",
    "rank": "The place by similarity among this one and the run's probe pairs as recorded at this "
    "step: 1 is the nearest. Texts that say the same count once. By chance any rank is as likely.",
    "top-k": "Share of the pictures whose correct name is among the k most similar ones. A name "
    "that several concepts share counts as correct for each of them.",
    "ceiling": "The best possible accuracy if the exact concept had to be named: below 100 % where "
    "concepts share a name.",
    "chance": "Accuracy of random guessing: k divided by the number of classes.",
    "contrastive loss": "Of each picture among the batch's texts and of each text among the "
    "batch's pictures, the mean cross-entropy of finding its partner, in nats. Guessing gives "
    "ln(batch size). The total loss adds the weighted mean of the auxiliary losses.",
    "auxiliary losses": "Importance and load ask for balance between experts (squared coefficient "
    "of variation, V-MoE). The local entropy losses ask that each token's router be sure, the "
    "global ones that a modality spread over several experts (LIMoE). The z-loss keeps router "
    "logits small (ST-MoE). Each is shown before its weight.",
    "optimizer": "Learning rate of the schedule. Gradient norm: of all parameters together, before "
    "clipping. Temperature: the learned number that divides cosine similarities.",
    "throughput": "Image–text pairs per second since the line before, without the time of probes "
    "and validation. Compiling counts, so the first line is low.",
    "validation": "Accuracy on the validation split while training, in the first language: among "
    "the names of its own concepts, and among all names.",
    "routers in training": "Of the training batches: share of choices that found no place, mean "
    "entropy of a token's gate distribution (local), and entropy of the mean one (global). Each "
    "step has other pairs; the probe traces on Emergence have the same ones throughout.",
    "smoothing": "Exponential moving average over steps: a value one half-life back counts half. "
    "The values themselves stay as a pale line.",
    "paired difference": "Both sides answered about, or routed, the same pictures and texts, so "
    "each is compared with itself, and what is hard for both does not blur the difference. "
    "Intervals are over those pairs or concepts and not over seeds: another seed may give another "
    "difference.",
    "many looks": "Of twenty differences that are all zero, one has p below 0.05 by chance. Holm's "
    "correction raises each p value for as many as are shown, so that at most one table in twenty "
    "without any real difference shows one.",
    "map": "Points that are similar in the embedding space lie near each other where the map can "
    "show it. PCA: the two directions of most variance. UMAP: neighbours kept together, distances "
    "between groups not. Two texts: cosine similarity to each. A map is fitted at one step and "
    "kept still; other steps and your own pictures and texts are placed on it.",
    "trustworthiness": "1 less a penalty for neighbours on the map that are far from each other in "
    "the space; 1 if there are none. Continuity is the reverse: neighbours in the space that are "
    "far on the map. Compare with the value of points placed at random.",
    "modality gap": "How far pictures and texts lie apart in the space that they share. Distance "
    "of the centroids: |mean picture − mean text|. Neighbours of the same modality: the share of a "
    "point's nearest points that are of its modality. Null: pictures and texts exchanged, concept "
    "by concept, with a chance of a half.",
    "slice": "Some of the pairs, by a label, by an expert (that of most patches or most pieces of "
    "the pair), by circling them on the map of Embeddings, or the pictures of a confusion or of an "
    "outcome on Compare. Pages show and count these pairs alone until you leave the slice.",
    "dense twin": "The same model, data order and seed, with each mixture of experts replaced by "
    "one MLP of the width of one expert: the same compute per token, apart from the router.",
}


def help_text(*terms: str) -> str:
    """Help for some terms, as Markdown."""
    if len(terms) == 1:
        return TERMS[terms[0]]
    return "\n\n".join(f"**{term}** – {TERMS[term]}" for term in terms)
