"""Other ways to dispatch tokens to experts, to compare ours with.

Each is written plainly from its published description, for one choice per token (K = 1). All take
the same weights, route by the same arithmetic and keep the same tokens if they use as many groups;
only `ragged` drops none. Letters: n tokens, G groups of s tokens, E experts, C slots in an expert's
buffer (for one group), d channels, h hidden channels.
"""
