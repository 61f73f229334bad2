"""KServe's server with a model of scikit-learn. The package of this name comes with KServe's source only; this one takes the same words."""

import argparse
import os

import joblib
import kserve
from kserve.utils.utils import get_predict_input, get_predict_response

parser = argparse.ArgumentParser(parents=[kserve.model_server.parser])
parser.add_argument("--model_dir", required=True)
words, _ = parser.parse_known_args()


class Line(kserve.Model):
    def load(self):
        self.model = joblib.load(os.path.join(words.model_dir, "model.joblib"))
        self.ready = True
        return self.ready

    def predict(self, payload, headers=None, response_headers=None):
        x = get_predict_input(payload)
        return get_predict_response(payload, self.model.predict(x), self.name)


if __name__ == "__main__":
    model = Line(words.model_name)
    model.load()
    kserve.ModelServer().start([model])
