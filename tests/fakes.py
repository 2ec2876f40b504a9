"""Stand-ins for what no machine of this project has."""

import sys
import time
from pathlib import Path
from typing import Literal

from facemask_edge.classifier import MaskClassifier
from facemask_edge.values import Image

_COMPILER = '''#!{python}
"""Prints as edgetpu_compiler 16.0 does, and writes files of the names that it would write."""
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, {root!r})
from converter.edgetpu_operations import mapped_operations
from converter.tflite_file import COMPILED, read_tflite
from tests.converter.tflite_files import chain

HOW = {how!r}
arguments = sys.argv[1:]
assert arguments[:2] == ["-s", "-o"], arguments
folder, models = Path(arguments[2]), [Path(model) for model in arguments[3:]]
print("Edge TPU Compiler version 16.0.384591198")
print("Started a compilation timeout timer of 180 seconds.")
if HOW == "hangs":
    # As the real one, in a child of its own.
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    Path(__file__).with_name("child.pid").write_text(str(child.pid))
    child.wait()
if HOW == "fails":
    print("ERROR: Restored the plan after the delegate could not be applied.")
    print("Compilation failed: The activations of the model are too large.")
    print("Compilation child process completed within timeout period.")
    print("Compilation failed! ")
    sys.exit(1)
print()
print(f"Model{{'s' if len(models) > 1 else ''}} compiled successfully in 2499 ms.")
for model in models:
    operations = [one.operation.name for one in mapped_operations(read_tflite(model))]
    left = len(operations) if HOW == "maps nothing" else 0
    result = folder / (model.stem + "_edgetpu.tflite")
    chain(result, [(COMPILED, 1)])
    print()
    print(f"Input model: {{model}}")
    print("Input size: 2.75MiB")
    print(f"Output model: {{result}}")
    print("Output size: 3.02MiB")
    print("On-chip memory used for caching model parameters: 2.60MiB")
    print("On-chip memory remaining for caching model parameters: 5.00MiB")
    print("Off-chip memory used for streaming uncached model parameters: 0.00B")
    print(f"Number of Edge TPU subgraphs: {{0 if left else 1}}")
    print(f"Total number of operations: {{len(operations)}}")
    print(f"Operation log: {{result.with_suffix('.log')}}")
    print()
    if left:
        print("Model successfully compiled but not all operations are supported by the Edge TPU.")
        print(f"Number of operations that will run on Edge TPU: {{len(operations) - left}}")
        print(f"Number of operations that will run on CPU: {{left}}")
        print()
    print("Operator                       Count      Status")
    print()
    status = "Operation is otherwise supported, but not mapped due to some unspecified limitation"
    for name in dict.fromkeys(operations):
        print(f"{{name:<30}} {{operations.count(name):<10}} {{status if left else 'Mapped to Edge TPU'}}")
print("Compilation child process completed within timeout period.")
print("Compilation succeeded! ")
'''


def edgetpu_compiler(folder: Path, how: Literal["maps", "maps nothing", "fails", "hangs"]) -> Path:
    """Write an executable ``edgetpu_compiler`` into a folder.

    It takes the real one's options, prints what the real one prints and writes files of the real one's names, whose
    content is a model with the real one's custom operation.
    """
    folder.mkdir(parents=True, exist_ok=True)
    program = folder / "edgetpu_compiler"
    root = str(Path(__file__).parent.parent)
    program.write_text(_COMPILER.format(python=sys.executable, root=root, how=how))
    program.chmod(0o755)
    return program


def slow_classifier(classifier: MaskClassifier, seconds: float) -> None:
    """Let each look take as long as it does on a slow computer: a Raspberry Pi 4 needs 0.03 s, without NEON 0.1 s."""
    invoke = classifier.model.invoke

    def slowly(image: Image) -> None:
        time.sleep(seconds)
        invoke(image)

    classifier.model.invoke = slowly  # type: ignore[method-assign]
