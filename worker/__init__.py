"""Turns Genesys Cloud interaction events into stored records."""

from importlib.metadata import version

__version__ = version("interaction-worker")
