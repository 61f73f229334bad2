"""Serve a model of the flights: how likely is each of them to arrive more than 30 minutes late?

usage: serve.py        reads the model $MLX_MODEL, listens at 127.0.0.1:$PORT

    GET  /health       200 as soon as it may be asked
    POST /predict      {"instances": [{"carrier": "UA", "origin": "EWR", ...}]}  ->  {"predictions": [0.124]}

There is no mlx in it: how many of the requests it gets, and what is kept of them, is the business of mlx.
"""

import http.server
import json
import os
import pathlib
import pickle

import pandas

from train import CATEGORIES, NUMBERS

model = pickle.loads(pathlib.Path(os.environ["MLX_MODEL"]).read_bytes())


def predict(instances):
    flights = pandas.DataFrame(instances, columns=CATEGORIES + NUMBERS)
    for name in CATEGORIES:
        flights[name] = flights[name].astype("category")
    for name in NUMBERS:
        flights[name] = pandas.to_numeric(flights[name])
    return model.predict_proba(flights)[:, 1].round(6).tolist()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"  # a connection is used again
    disable_nagle_algorithm = True  # head and body are written apart

    def do_GET(self):
        self.answer(200 if self.path == "/health" else 404, {})

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        try:
            predictions = predict(json.loads(body)["instances"])
        except (KeyError, TypeError, ValueError) as why:
            self.answer(400, {"error": str(why)})
        else:
            self.answer(200, {"predictions": predictions})

    def answer(self, status, document):
        text = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_):
        pass


if __name__ == "__main__":
    http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
