"""What can be wrong with the embedded servers, in words for whoever typed the command."""


class EmbeddedError(Exception):
    """The embedded servers cannot be used; the message says why and what to do."""


class InUse(EmbeddedError):
    """Somebody else holds the data directory."""
