"""Small .tflite files, written by the flatbuffer schema: a chain of operations, each on the last one's output."""

from collections.abc import Sequence
from math import prod
from pathlib import Path
from typing import Any

import flatbuffers  # type: ignore[import-untyped]
from ai_edge_litert import schema_py_generated as schema

from converter.tflite_file import COMPILED, IDENTIFIER

SHAPE = (1, 8, 8, 4)
BYTES = {"INT8": 1, "INT16": 2, "FLOAT32": 4}


def chain(path: Path, operations: Sequence[tuple[str, int]], dtype: str = "INT8", *, channels: int = 1) -> Path:
    """Write a model whose operations (name, version) follow one another on tensors of one type.

    The second input of each is a constant, with one scale or as many as ``channels``.
    """
    model = schema.ModelT()
    model.version = 3
    model.buffers = [schema.BufferT(), _buffer(bytes(prod(SHAPE) * BYTES[dtype]))]
    model.operatorCodes = [_code(*operation) for operation in operations]
    graph = schema.SubGraphT()
    graph.tensors = [_tensor("picture", dtype, 0), _tensor("constant", dtype, 1, channels)]
    graph.operators = []
    for place, _ in enumerate(operations):
        graph.tensors.append(_tensor(f"after {place}", dtype, 0))
        operation = schema.OperatorT()
        operation.opcodeIndex = place
        operation.inputs, operation.outputs = [place + 1 if place else 0, 1], [place + 2]
        graph.operators.append(operation)
    graph.inputs, graph.outputs = [0], [len(operations) + 1]
    model.subgraphs = [graph]
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), IDENTIFIER)
    path.write_bytes(builder.Output())
    return path


def compiled(path: Path) -> Path:
    """Write what a compiled model looks like: one custom operation, and one that was left to the CPU."""
    return chain(path, [(COMPILED, 1), ("SOFTMAX", 2)])


def _buffer(content: bytes) -> Any:
    buffer = schema.BufferT()
    buffer.data = list(content)
    return buffer


def _code(name: str, version: int) -> Any:
    code = schema.OperatorCodeT()
    number = getattr(schema.BuiltinOperator, name, schema.BuiltinOperator.CUSTOM)
    code.builtinCode, code.deprecatedBuiltinCode, code.version = number, min(number, 127), version
    if number == schema.BuiltinOperator.CUSTOM:
        code.customCode = name
    return code


def _tensor(name: str, dtype: str, buffer: int, channels: int = 1) -> Any:
    tensor = schema.TensorT()
    tensor.name, tensor.shape, tensor.buffer = name, list(SHAPE), buffer
    tensor.type = getattr(schema.TensorType, dtype)
    quantization = schema.QuantizationParametersT()
    quantization.scale, quantization.zeroPoint = [0.5] * channels, [0] * channels
    tensor.quantization = quantization
    return tensor
