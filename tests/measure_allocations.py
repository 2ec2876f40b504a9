"""Prints how many bytes judging one frame of the sample asks for at the most: ``python -m tests.measure_allocations``.

In a process of its own: what other threads ask for would count as well.
"""

import tracemalloc

from facemask_edge.cameras.recording import Recording
from facemask_edge.config import Config
from facemask_edge.demo import SAMPLE
from facemask_edge.pipeline import Models, Pipeline

FRAMES, WARM_UP = 120, 60
"""The first frames load the models and make the buffers."""


def main() -> None:
    """Print one number."""
    config = Config()
    models = Models(config)
    pipeline = Pipeline(config, config.cameras[0], models)
    recording = Recording(SAMPLE)
    # All of them first: the recording decodes the next one while one is judged.
    frames = [frame for frame in recording if frame.index < FRAMES]
    recording.close()
    most = 0
    looks = models.classifier.model.invocations
    for frame in frames:
        tracemalloc.start()
        pipeline.process(frame)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        if frame.index == WARM_UP:
            looks = models.classifier.model.invocations
        most = max(most, peak if frame.index > WARM_UP else 0)
    assert models.classifier.model.invocations > looks
    print(most)


if __name__ == "__main__":
    main()
