"""LocalStack without Docker, for what MiniStack does not enforce: heartbeats and the time-out of a task."""
