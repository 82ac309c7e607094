"""The device mesh, the processes of a multi-host run, and the host process itself."""
