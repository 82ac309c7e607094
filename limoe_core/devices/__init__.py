"""The device mesh, the processes of a multi-host run, the hardware, and the host process itself."""
