"""The parts of the page Experts."""
