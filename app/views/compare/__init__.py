"""The page Compare: two runs, or two steps of one, side by side."""
