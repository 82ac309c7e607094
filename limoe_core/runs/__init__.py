"""The run directory, which is all that training, analysis and the dashboard share."""
