"""Tests, in the folders of what they test; `tests/browser` drives the real page."""
