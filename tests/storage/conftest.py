"""Objects in a store on this machine."""

from object_store import bucket, store, system  # noqa: F401 - fixtures
