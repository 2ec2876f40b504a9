"""Small .tflite files, written by the flatbuffer schema: a chain of operations, each on the last one's output."""

from collections.abc import Mapping, Sequence
from math import prod
from pathlib import Path
from typing import Any

import flatbuffers  # type: ignore[import-untyped]
import numpy as np
from ai_edge_litert import schema_py_generated as schema

from converter.tflite_file import COMPILED, IDENTIFIER

SHAPE = (1, 8, 8, 4)
BYTES = {"INT8": 1, "INT16": 2, "FLOAT32": 4}


def chain(  # noqa: PLR0913 - what a test wants of its model
    path: Path,
    operations: Sequence[tuple[str, int]],
    dtype: str = "INT8",
    *,
    channels: int = 1,
    constant: Sequence[int] = (),
    options: str | None = None,
    fields: Mapping[str, int] | None = None,
    name: str = "picture",
) -> Path:
    """Write a model whose operations (name, version) follow one another on tensors of one type.

    The other inputs of each are a constant, three times: of the same type, with one scale or as many as ``channels``,
    or the int32 numbers of ``constant``. All have the same options, of the schema's table of that name.
    """
    model = schema.ModelT()
    model.version = 3
    numbers = np.array(constant, "<i4").tobytes()
    model.buffers = [schema.BufferT(), _buffer(numbers or bytes(prod(SHAPE) * BYTES[dtype]))]
    model.operatorCodes = [_code(*operation) for operation in operations]
    graph = schema.SubGraphT()
    graph.tensors = [_tensor(name, dtype, 0), _tensor("constant", "INT32" if constant else dtype, 1, channels)]
    if constant:
        graph.tensors[1].shape = [len(constant)]
    graph.operators = []
    for place, _ in enumerate(operations):
        graph.tensors.append(_tensor(f"after {place}", dtype, 0))
        operation = schema.OperatorT()
        operation.opcodeIndex = place
        operation.inputs, operation.outputs = [place + 1 if place else 0, 1, 1, 1], [place + 2]
        if options:
            operation.builtinOptionsType = getattr(schema.BuiltinOptions, f"{options}Options")
            operation.builtinOptions = getattr(schema, f"{options}OptionsT")()
            for field, value in (fields or {}).items():
                setattr(operation.builtinOptions, field, value)
        graph.operators.append(operation)
    graph.inputs, graph.outputs = [0], [len(operations) + 1]
    model.subgraphs = [graph]
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), IDENTIFIER)
    path.write_bytes(builder.Output())
    return path


def endless(path: Path, *, tensors: int, sides: int, letters: int) -> Path:
    """Write a small file that describes a huge model: all its tensors are one, with a long shape and a long name."""
    builder = flatbuffers.Builder(1024)
    name = builder.CreateString("x" * letters)
    schema.TensorStartShapeVector(builder, sides)
    for _ in range(sides):
        builder.PrependInt32(1)
    shape = builder.EndVector()
    schema.TensorStart(builder)
    schema.TensorAddShape(builder, shape)
    schema.TensorAddName(builder, name)
    tensor = schema.TensorEnd(builder)
    schema.SubGraphStartTensorsVector(builder, tensors)
    for _ in range(tensors):
        builder.PrependUOffsetTRelative(tensor)
    vector = builder.EndVector()
    schema.SubGraphStart(builder)
    schema.SubGraphAddTensors(builder, vector)
    graph = schema.SubGraphEnd(builder)
    schema.ModelStartSubgraphsVector(builder, 1)
    builder.PrependUOffsetTRelative(graph)
    graphs = builder.EndVector()
    schema.BufferStart(builder)
    buffer = schema.BufferEnd(builder)
    schema.ModelStartBuffersVector(builder, 1)
    builder.PrependUOffsetTRelative(buffer)
    buffers = builder.EndVector()
    schema.ModelStart(builder)
    schema.ModelAddVersion(builder, 3)
    schema.ModelAddSubgraphs(builder, graphs)
    schema.ModelAddBuffers(builder, buffers)
    builder.Finish(schema.ModelEnd(builder), IDENTIFIER)
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
