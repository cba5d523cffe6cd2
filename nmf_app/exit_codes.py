"""What the command line returns to the shell."""

DONE = 0
INTERNAL_FAILURE = 1
BAD_USE = 2
NOT_SOUND = 3
INTERRUPTED = 130
