"""Graphs as models of the package onnx: the one door to it."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from symrnn.declaration.normal_form import unique_name
from symrnn.errors import RequestError, shown
from symrnn.onnx_graphs.arrays import Array, Block, Node, Recorder

LEAST_OPSET = 18
"""The first that has all operators as they are used: its reductions take axes as an input."""


def require_onnx(opset: object) -> int:
    """A version of the operators, if graphs can be written with it.

    Raises:
        RequestError: the package onnx is not installed, or the version is too old or too new for it.

    """
    try:
        from onnx.defs import onnx_opset_version
    except ImportError:
        raise RequestError(
            'ONNX graphs need the package onnx. Install it with: pip install "symrnn[onnx]"'
        ) from None
    newest = onnx_opset_version()
    if isinstance(opset, int) and LEAST_OPSET <= opset <= newest and opset is not True:
        return opset
    raise RequestError(
        f"opset is {shown(opset)}. Give a whole number from {LEAST_OPSET}, the first version that has all "
        f"operators that graphs use, to {newest}, the newest that the installed onnx knows."
    )


def model_of(recorder: Recorder, opset: int, name: str, words: str, record: Mapping[str, str]) -> Any:
    """The model of a recorder's graph; `words` explain it, and `record` is its metadata."""
    from onnx import helper

    graph = _Writer(recorder).graph(recorder.blocks[0], name, words)
    versions = [helper.make_opsetid("", opset)]
    model = helper.make_model(
        graph,
        opset_imports=versions,
        ir_version=helper.find_min_ir_version_for(versions),
        producer_name="symrnn",
        producer_version=record["version"],
        doc_string=words,
    )
    helper.set_model_props(model, {f"symrnn.{key}": text for key, text in record.items()})
    return model


class _Writer:
    """Gives every array a name of its own, and writes what the outputs need."""

    def __init__(self, recorder: Recorder) -> None:
        self.recorder = recorder
        top = recorder.blocks[0]
        self.names = {id(array): array.name for array in (*top.inputs, *top.outputs)}
        self.taken = set(self.names.values())
        self.wanted: set[int] = set()
        self.want(top)

    def want(self, block: Block) -> None:
        """Note what the outputs of a block need."""
        self.wanted |= {id(array) for array in block.outputs}
        for node in reversed(block.nodes):
            if self.is_wanted(node):
                self.wanted |= {id(array) for array in node.inputs if array is not None}
                for body in node.bodies.values():
                    self.want(body)

    def is_wanted(self, node: Node) -> bool:
        """Whether an output needs something of a node."""
        return any(id(array) in self.wanted for array in node.outputs)

    def name(self, array: Array | None, otherwise: str = "value") -> str:
        """The name of an array; none for what is left out."""
        if array is None:
            return ""
        if id(array) not in self.names:
            made = unique_name(array.name or f"{self.recorder.prefix}{otherwise}", self.taken)
            self.names[id(array)] = made
            self.taken.add(made)
        return self.names[id(array)]

    def graph(self, block: Block, name: str, words: str = "") -> Any:
        """A block as a graph; the outermost one has the constants that are needed."""
        from onnx import helper, numpy_helper

        outermost = block is self.recorder.blocks[0]
        known = [array for array in self.recorder.constants.values() if id(array) in self.wanted]
        constants = [
            numpy_helper.from_array(np.ascontiguousarray(a.known).reshape(a.shape), self.name(a, "number"))
            for a in known * outermost
        ]
        inputs = [self.described(array) for array in block.inputs]
        nodes = [self.node(node) for node in block.nodes if self.is_wanted(node)]
        outputs = [self.described(array) for array in block.outputs]
        return helper.make_graph(nodes, name, inputs, outputs, constants, words)

    def node(self, node: Node) -> Any:
        """A node, named like its first result."""
        from onnx import helper

        attributes = {key: _attribute(value) for key, value in node.attributes.items()}
        outputs = [self.name(array, node.operator.lower()) for array in node.outputs]
        inputs = [self.name(array) for array in node.inputs]
        bodies = {key: self.graph(body, f"{outputs[0]}_{key}") for key, body in node.bodies.items()}
        return helper.make_node(node.operator, inputs, outputs, name=outputs[0], **attributes, **bodies)

    def described(self, array: Array) -> Any:
        """An input or an output with its type and its shape, lengths that a call tells by their names."""
        from onnx import helper

        sizes = [size if isinstance(size, int) else size.name or None for size in array.shape]
        return helper.make_tensor_value_info(self.name(array), _type(array.dtype), sizes)


def _type(dtype: np.dtype[Any]) -> Any:
    from onnx import helper

    return helper.np_dtype_to_tensor_dtype(dtype)


def _attribute(value: Any) -> Any:
    return _type(value) if isinstance(value, np.dtype) else value
