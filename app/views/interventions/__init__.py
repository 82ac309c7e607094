"""The Interventions page: experts off, silenced or forced, and the routes of single tokens."""
