"""Peak memory of gathering and streaming training pictures, for 4,000 and for 40,000 of them.

    python -m benchmarks.training_memory

Each count is measured in a process of its own, on generated pictures: they are read and hashed, searched for
near-duplicates and split by the code of ``train-model``, then the first batches of an epoch are streamed, as every
batch costs the same. The larger count takes ten minutes: it is the search that grows with the square.
"""

import io
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

import cv2
import numpy as np
from rich.console import Console

COUNTS = (4_000, 40_000)
BATCHES = 100
SIDE = 200
"""Of the pictures, in pixels."""


def draw_pictures(folder: Path, count: int) -> None:
    """As many different pictures, half in each class."""
    random = np.random.default_rng(0)
    for kind in ("with_mask", "without_mask"):
        (folder / kind).mkdir()
        for number in range(count // 2):
            cells = random.uniform(0, 255, (8, 8, 3)).astype(np.float32)
            cv2.imwrite(str(folder / kind / f"{number}.jpg"), cv2.resize(cells, (SIDE, SIDE)))


def measure(count: int) -> float:
    """Gather and stream ``count`` pictures; the peak of this process' memory in MiB."""
    from converter.crop_stream import CropStream  # noqa: PLC0415 - the child's
    from converter.gathering import gather  # noqa: PLC0415
    from converter.recipes import DEFAULT  # noqa: PLC0415

    with tempfile.TemporaryDirectory() as folder:
        draw_pictures(Path(folder), count)
        gathered = gather([Path(folder)], DEFAULT, Console(file=io.StringIO()))
        for _ in CropStream(gathered.split.training, DEFAULT, None).epoch(0).take(BATCHES):
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
