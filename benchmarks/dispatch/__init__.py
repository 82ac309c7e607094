"""Ways to bring tokens to their experts and back, to compare ours with.

Each is written plainly from its published description, for one choice a token (K = 1). All take the
same weights, route by the same arithmetic and keep the same tokens where they use as many groups;
`ragged` alone drops none. Letters: n tokens, G groups of s tokens, E experts, C places in an
expert's buffer (for one group), d channels, h hidden channels.
"""
