"""Runs our pipeline on a recording as the daemon does, without delivery; called by ``paper_pipeline``."""

import json
import sys
import time
from pathlib import Path

from facemask_edge.cameras.recording import Recording
from facemask_edge.config import Config
from facemask_edge.pipeline import Models, Pipeline


def main() -> None:
    """Print one JSON object: seconds, frames and the boxes found in each."""
    config = Config()
    pipeline = Pipeline(config, config.cameras[0], Models(config))
    recording = Recording(Path(sys.argv[1]))
    found = []
    start = time.perf_counter()
    for frame in recording:
        pipeline.process(frame)
        boxes = [verdict.track.box for verdict in pipeline.verdicts()]
        found.append([[box.x, box.y, box.x + box.width, box.y + box.height] for box in boxes])
        if frame.index == 0:
            start = time.perf_counter()
    seconds = time.perf_counter() - start
    recording.close()
    json.dump({"seconds": seconds, "frames": len(found) - 1, "found": found}, sys.stdout)


if __name__ == "__main__":
    main()
