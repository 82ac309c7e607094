"""The one-tower LIMoE: embeddings, blocks, mixture-of-experts layers, heads."""
