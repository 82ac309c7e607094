"""What every page stands in: options, state and address bar, sidebar, styles."""
