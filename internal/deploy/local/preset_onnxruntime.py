"""Serve the ONNX model in $MLX_MODEL by the Open Inference Protocol v2, on port $PORT of this machine. mlx starts it: server: onnxruntime."""

import glob
import json
import os
import signal
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

try:
    import numpy as np
    import onnxruntime as ort
except ImportError as e:
    sys.exit(f"{e}: pip install onnxruntime numpy")

NAME = os.environ.get("MLX_MODEL_NAME", "model")
TYPES = {  # of ONNX, with those of the protocol and of numpy
    "tensor(float)": ("FP32", np.float32), "tensor(double)": ("FP64", np.float64), "tensor(float16)": ("FP16", np.float16),
    "tensor(int64)": ("INT64", np.int64), "tensor(int32)": ("INT32", np.int32), "tensor(int16)": ("INT16", np.int16),
    "tensor(int8)": ("INT8", np.int8), "tensor(uint8)": ("UINT8", np.uint8), "tensor(uint16)": ("UINT16", np.uint16),
    "tensor(uint32)": ("UINT32", np.uint32), "tensor(uint64)": ("UINT64", np.uint64), "tensor(bool)": ("BOOL", np.bool_),
    "tensor(string)": ("BYTES", object),
}


def find():
    where = os.environ["MLX_MODEL"]
    if os.path.isfile(where):
        return where
    found = sorted(glob.glob(os.path.join(where, "**", "*.onnx"), recursive=True))
    if len(found) != 1:
        sys.exit(f"{where} holds {len(found)} files *.onnx, not one")
    return found[0]


session = ort.InferenceSession(find(), providers=ort.get_available_providers())
inputs, outputs = session.get_inputs(), session.get_outputs()


def told(tensors):
    return [{"name": t.name, "datatype": TYPES.get(t.type, (t.type,))[0], "shape": [d if isinstance(d, int) else -1 for d in t.shape]} for t in tensors]


def infer(asked):
    given = {t["name"]: t for t in asked["inputs"]}
    feed = {}
    for i in inputs:
        if i.name not in given:
            raise ValueError(f"input {i.name} is missing")
        feed[i.name] = np.array(given[i.name]["data"], dtype=TYPES[i.type][1]).reshape(given[i.name]["shape"])
    answer = []
    for o, v in zip(outputs, session.run(None, feed)):
        if isinstance(v, list):  # a map for each row, as sklearn's converters give probabilities
            keys = sorted(v[0]) if v else []
            v = np.array([[row[k] for k in keys] for row in v], dtype=np.float32)
        kind = next((t for t, n in TYPES.values() if n == v.dtype), "BYTES")
        answer.append({"name": o.name, "datatype": kind, "shape": list(v.shape), "data": v.ravel().tolist()})
    return {"model_name": NAME, "model_version": os.environ.get("MLX_MODEL_VERSION", ""), "id": asked.get("id", ""), "outputs": answer}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *_):
        pass

    def answer(self, status, value):
        text = json.dumps(value).encode()
        head = f"HTTP/1.1 {status} .\r\nContent-Type: application/json\r\nContent-Length: {len(text)}\r\n\r\n".encode()
        self.wfile.write(head + text)

    def do_GET(self):
        here = f"/v2/models/{NAME}"
        if self.path in ("/v2/health/ready", "/v2/health/live", here + "/ready"):
            self.answer(200, {"ready": True})
        elif self.path == here:
            self.answer(200, {"name": NAME, "platform": "onnxruntime", "inputs": told(inputs), "outputs": told(outputs)})
        else:
            self.answer(404, {"error": f"{self.path} is not there"})

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.path != f"/v2/models/{NAME}/infer":
            return self.answer(404, {"error": f"{self.path} is not there"})
        try:
            answer = infer(json.loads(body))
        except (ValueError, KeyError, TypeError) as e:
            return self.answer(400, {"error": str(e)})
        self.answer(200, answer)


class Server(ThreadingHTTPServer):
    daemon_threads = True  # a connection that rests keeps nobody from ending; mlx sends TERM when nothing is asked any more
    request_queue_size = 1024


server = Server(("127.0.0.1", int(os.environ["PORT"])), Handler)


def end(*_):
    raise SystemExit


signal.signal(signal.SIGTERM, end)
server.serve_forever()
