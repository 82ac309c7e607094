"""Frame of every page: options, address bar, controls, sidebar, styles."""
