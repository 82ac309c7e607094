"""Attacks on the running system, one module each, with `run(...) -> list[Record]`."""
