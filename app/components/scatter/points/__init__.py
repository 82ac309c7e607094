"""The bytes of a map on their way to the browser, apart from what changes more often."""
