"""Numbers in README, docs and model cards, written there from what the runs that ship hold."""
