"""The page Zero-shot: what can the model do?"""
