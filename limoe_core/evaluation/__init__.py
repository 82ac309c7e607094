"""What a model can do: zero-shot classification, retrieval, linear probes, with intervals."""
