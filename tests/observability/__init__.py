"""A real Prometheus for tests and for the pictures in the documentation."""
