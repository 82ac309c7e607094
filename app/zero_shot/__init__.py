"""The parts of the page Zero-shot."""
