"""Which part of a reconstruction ends at which share of the progress bar."""

from __future__ import annotations

NETWORK_SHARE = 0.04
"""Share of the progress bar that belongs to the network where a fit follows."""
CORRECTION_STARTS = 0.3
"""Share of the progress bar at which the network's answer is there, where it is corrected next."""
FIT_SHARE = 0.90
"""Share of the progress bar that belongs to the fit ..."""
AGAIN_SHARE = 0.93
"""... to a second one, where the first went wrong ..."""
SOUND_SHARE = 0.95
"""... and where the final flow begins; between them the template is refined and the mesh checked."""
