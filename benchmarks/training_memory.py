"""Peak memory of gathering and streaming training pictures, for 4,000 and for 40,000 of them.

Run as ``python -m benchmarks.training_memory``. Each count is measured in a process of its own, on generated pictures
that are listed again and again; the epoch's first batches are streamed, as every batch costs the same.
"""

import resource
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
from rich.console import Console

COUNTS = (4_000, 40_000)
BATCHES = 100
FILES = 200


def measure(count: int) -> float:
    """Gather and stream ``count`` pictures; the peak of this process' memory in MiB."""
    from converter.classifier_data import BoxedFace, Picture, readable, split_pictures  # noqa: PLC0415 - the child's
    from converter.crop_stream import CropStream  # noqa: PLC0415
    from converter.recipes import DEFAULT  # noqa: PLC0415

    with tempfile.TemporaryDirectory() as folder:
        random = np.random.default_rng(0)
        files = [Path(folder) / f"{number}.jpg" for number in range(FILES)]
        for file in files:
            cells = random.uniform(0, 255, (8, 8, 3)).astype(np.float32)
            cv2.imwrite(str(file), cv2.resize(cells, (400, 400)))
        pictures = [Picture(files[number % FILES], (BoxedFace(None, number % 2),)) for number in range(count)]
        good, _, _ = readable(pictures)
        split = split_pictures(
            good, range(len(good)), kind="groups", test_part=0.2, held_out_part=0.1, seed=DEFAULT.seed
        )
        stream = CropStream(split.training, replace(DEFAULT, limit=None), None)
        for _ in stream.epoch(0).take(BATCHES):
            pass
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    """Print both peaks and their ratio."""
    console = Console(highlight=False)
    if len(sys.argv) > 1:
        console.print(measure(int(sys.argv[1])))
        return
    peaks = []
    for count in COUNTS:
        command = [sys.executable, "-m", "benchmarks.training_memory", str(count)]
        ended = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603 - this very script
        peaks.append(float(ended.stdout.split()[-1]))
        console.print(f"{count} pictures: {peaks[-1]:.0f} MiB")
    console.print(f"ratio: {peaks[1] / peaks[0]:.2f}")


if __name__ == "__main__":
    main()
