"""Which Edge TPU library goes with which TFLite runtime: they share C++ objects, and crash where these differ.

Google's own library is of TensorFlow 2.5; with later runtimes it ends the program (github.com/google-coral/edgetpu,
issue 812). Others build it again for later ones (github.com/feranick/libedgetpu), and name the version.
"""

import re
import subprocess

PACKAGES = ("libedgetpu1-std", "libedgetpu1-max")
GOOGLES = "2.5"
"""Of TensorFlow, as which Google's library was built."""
PATIENCE = 10.0


def installed_library() -> str | None:
    """Version of the Debian package that the library is of; None where it came in another way, or is not there."""
    command = ["/usr/bin/dpkg-query", "--show", "--showformat", "${db:Status-Status} ${Version}\n", *PACKAGES]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)  # noqa: S603 - the system's own
    except (OSError, subprocess.TimeoutExpired):
        return None
    found = re.search(r"^installed (\S+)$", done.stdout, re.MULTILINE)
    return found[1] if found else None


def why_unlikely(runtime: str, library: str | None) -> str | None:
    """Why a library is not known to work with a runtime; None where it is, or where the library is not known.

    Args:
        runtime: Name and version, such as ``tflite-runtime 2.17.1``.
        library: The Debian package's version, such as ``16.0`` or ``16.0tf2.17.1-1``.
    """
    if library is None:
        return None
    named = re.search(r"tf(\d+\.\d+)", library, re.IGNORECASE)
    built_for = named[1] if named else GOOGLES
    name, _, version = runtime.partition(" ")
    if name == "tflite-runtime" and version.startswith(f"{built_for}."):
        return None
    return (
        f"libedgetpu {library} was built for tflite-runtime {built_for}, and may end the program with {runtime}: "
        "see docs/coral.md for which go together"
    )
