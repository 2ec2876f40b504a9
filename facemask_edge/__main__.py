"""``python -m facemask_edge`` is ``facemask-edge``."""

from facemask_edge.cli import main

main()
