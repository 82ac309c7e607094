"""What lives once per server, for all its readers: runs, jobs, caches, confinement."""
