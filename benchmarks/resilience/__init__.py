"""Attacks on the running parts: each module is one attack, with `run(...) -> list[Record]`."""
