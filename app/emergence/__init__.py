"""The parts of the page Emergence."""
