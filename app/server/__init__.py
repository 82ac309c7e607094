"""State of the server, shared by all sessions: runs, jobs, caches."""
