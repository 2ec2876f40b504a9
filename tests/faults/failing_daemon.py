"""The daemon with its models on the delegate STUB_LIBRARY, which fails as STUB_DELEGATE says; see stub_delegate.c."""

import os
from functools import partial

from ai_edge_litert.interpreter import Interpreter, load_delegate

from facemask_edge import inference
from facemask_edge.cli import main

if __name__ == "__main__":
    if "STUB_DELEGATE" in os.environ:
        delegate = load_delegate(os.environ["STUB_LIBRARY"])
        # Each model has a kernel of its own; the delegate may be shared.
        on_delegate = partial(Interpreter, experimental_delegates=[delegate])
        vars(inference)["_interpreter_class"] = lambda: on_delegate
    main()
