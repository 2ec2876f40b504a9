"""Google's pycoral, where it is installed for the TFLite runtime in use.

It loads the library by the same call as ``edge_tpu`` does, with ``tflite_runtime``'s loader, and can list what the
library sees (github.com/google-coral/pycoral, pycoral/utils/edgetpu.py at 9972f8e). Its C++ part brings the library
into the process when it is imported: beside another runtime it is left alone.
"""

from collections.abc import Callable
from typing import Any

RUNTIME = "tflite_runtime."
FUNCTIONS = ("list_edge_tpus", "load_edgetpu_delegate")


def pycoral_for(load_delegate: Callable[..., Any]) -> Any | None:  # noqa: ANN401 - it has no type information
    """The module ``pycoral.utils.edgetpu``; None where it is not installed, or not for this runtime.

    Args:
        load_delegate: Of the runtime.
    """
    if not load_delegate.__module__.startswith(RUNTIME):
        return None
    try:
        from pycoral.utils import edgetpu  # noqa: PLC0415 - hardly anybody has it
    except ImportError:
        # PyPI's package of that name is another project's, and has no such module.
        return None
    return edgetpu if all(hasattr(edgetpu, name) for name in FUNCTIONS) else None


def seen_by(pycoral: Any) -> str:  # noqa: ANN401 - likewise
    """The Edge TPUs that the library sees, by number, as a user reads it; empty where there is none."""
    return ", ".join(f"{number} ({device['type']})" for number, device in enumerate(pycoral.list_edge_tpus()))
