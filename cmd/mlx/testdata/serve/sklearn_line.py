"""A regression of scikit-learn that says y = W x."""

import numpy as np
from sklearn.linear_model import LinearRegression


def line(w):
    x = np.array([[0.0], [1.0], [2.0]])
    return LinearRegression().fit(x, w * x[:, 0])
