"""What the command line returns to the shell."""

DONE = 0
INTERNAL_FAILURE = 1
NOT_PRINTED = 1
"""``--verify`` found nothing wrong but could not say so, which to a script is as good as a failure."""
BAD_USE = 2
NOT_SOUND = 3
INTERRUPTED = 130
