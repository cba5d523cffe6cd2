"""Open the window; with ``--output``, work without one. ``python main.py --help`` tells the rest."""

from __future__ import annotations

import sys

from nmf_app.__main__ import main

if __name__ == "__main__":
    sys.exit(main())
