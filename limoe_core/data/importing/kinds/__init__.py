"""Kinds of sources, a module each: `recognise(place)` gives a `Source`, or None."""
