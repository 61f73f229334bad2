"""The peer of bench/metrics: scikit-learn's metrics of two models and a paired bootstrap, stratified by label, with numpy.

usage: peer.py FILE ROWS RESAMPLES
"""

import sys
import warnings

import numpy as np
from sklearn import metrics as sk

warnings.simplefilter("ignore")

path, n, resamples = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
raw = np.memmap(path, dtype=np.uint8, mode="r")
y = raw[: 4 * n].view("<i4")
a, b = raw[4 * n : 12 * n].view("<f8"), raw[12 * n :].view("<f8")


def ece(y, s):
    where = np.searchsorted(np.arange(1, 15) / 15, s, side="left")
    return np.abs(np.bincount(where, y - s, 15)).sum() / len(y)


def values(y, s):
    p = (s >= 0.5).astype(np.int32)
    return np.array([
        sk.accuracy_score(y, p), sk.balanced_accuracy_score(y, p), sk.precision_score(y, p), sk.recall_score(y, p), sk.f1_score(y, p),
        sk.recall_score(y, p, pos_label=0), sk.matthews_corrcoef(y, p), sk.roc_auc_score(y, s), sk.average_precision_score(y, s),
        sk.log_loss(y, s), sk.brier_score_loss(y, s), ece(y, s),
    ])


print(values(y, a), values(y, b))
r = np.random.default_rng(0)
strata = [np.flatnonzero(y == k) for k in (0, 1)]
diffs = []
for _ in range(resamples):
    rows = np.concatenate([s[r.integers(0, len(s), len(s))] for s in strata])
    diffs.append(values(y[rows], a[rows]) - values(y[rows], b[rows]))
if diffs:
    print(np.quantile(diffs, [0.05, 0.95], axis=0))
