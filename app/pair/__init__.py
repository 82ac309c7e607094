"""The pair in view, on every page that has one: how it is chosen, and how the model routes it."""
