"""The errors this package raises on purpose; each message is one sentence for a user."""


class NmfError(Exception):
    """Base of every deliberate error; ``str(error)`` is one sentence that can be shown as it is."""


class InputError(NmfError):
    """The user's file, picture or option cannot be used; the sentence names it and says what to do."""


class CheckpointError(NmfError):
    """A weights file is damaged, of another layout, or does not match its configuration."""


class SolverError(NmfError):
    """An ODE solve failed: the step size underflowed or a value became infinite."""


class Cancelled(NmfError):
    """The caller asked a running computation to stop; nothing was written."""
