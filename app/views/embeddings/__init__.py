"""Embeddings: how do the two modalities lie in the shared space?"""
