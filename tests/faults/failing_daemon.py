"""The daemon with its models on the delegate STUB_LIBRARY, which fails as STUB_DELEGATE says; see stub_delegate.c."""

import os
from functools import partial

from facemask_edge import inference
from facemask_edge.cli import main

if __name__ == "__main__":
    if "STUB_DELEGATE" in os.environ:
        delegate = inference.delegate_loader()(os.environ["STUB_LIBRARY"])
        # Each model has a kernel of its own; the delegate may be shared.
        on_delegate = partial(inference.interpreter_class(), experimental_delegates=[delegate])
        vars(inference)["interpreter_class"] = lambda: on_delegate
    main()
