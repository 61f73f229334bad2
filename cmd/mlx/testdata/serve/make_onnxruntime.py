"""Write y = W x as an ONNX model: make_onnxruntime.py FILE W."""

import sys

import onnx
from onnx import TensorProto, helper

name, w = sys.argv[1], float(sys.argv[2])
graph = helper.make_graph(
    [helper.make_node("Mul", ["x", "w"], ["y"])], "line",
    [helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, 1])],
    [helper.make_tensor_value_info("y", TensorProto.FLOAT, [None, 1])],
    [helper.make_tensor("w", TensorProto.FLOAT, [1], [w])],
)
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10)
onnx.checker.check_model(model)
onnx.save(model, name)
