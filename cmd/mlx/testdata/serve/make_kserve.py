"""Write y = W x as KServe's server for scikit-learn wants it: make_kserve.py FOLDER W."""

import os
import sys

import joblib

from sklearn_line import line

folder, w = sys.argv[1], float(sys.argv[2])
os.makedirs(folder)
joblib.dump(line(w), os.path.join(folder, "model.joblib"))
