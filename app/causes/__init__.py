"""What experts are for in models that are elsewhere: effects that a run keeps, on every page."""
