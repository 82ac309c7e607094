"""Everything that training needs: the step, the loop around it, and what watches it."""
