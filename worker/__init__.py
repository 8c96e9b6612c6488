"""Turns Genesys Cloud interaction events into stored records."""

__version__: str


def __getattr__(name: str) -> str:
    # Looked up when it is asked for: reading the metadata takes longer than the whole health check, which doesn't.
    if name == "__version__":
        from importlib.metadata import version  # noqa: PLC0415

        return version("interaction-worker")
    raise AttributeError(name)
