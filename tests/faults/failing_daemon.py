"""The daemon with a model that fails after some invocations: FAULTS_MODEL is ``hangs:9``, ``raises:9`` or ``aborts:9``.

As the Edge TPU's library does it: it waits for ever in C, reports an error, or ends the process.
"""

import ctypes
import os

from facemask_edge.cli import main
from facemask_edge.inference import Model


def _fail_after() -> None:
    how, after = os.environ["FAULTS_MODEL"].split(":")
    left = int(after)
    run = Model.run

    def failing(model: Model) -> None:
        nonlocal left
        left -= 1
        if left >= 0:
            run(model)
        elif how == "hangs":
            # With Python's lock held, as a call of a library that does not give it back: no other thread runs, either.
            ctypes.PyDLL(None).pause()
        elif how == "raises":
            raise RuntimeError("the delegate failed")
        else:
            os.abort()

    setattr(Model, "run", failing)  # noqa: B010 - mypy takes no assignment to a method


if __name__ == "__main__":
    if "FAULTS_MODEL" in os.environ:
        _fail_after()
    main()
