"""The cost of a training run before it is started: FLOPs, bytes, compiled programs."""
