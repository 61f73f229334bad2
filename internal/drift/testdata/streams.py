"""usage: streams.py < JSON: what river finds in streams. {"name": [values]} to {"name": {"detector": [numbers of rows]}}."""

import json
import sys

from river._river_rust.drift import AdaptiveWindowing
from river.drift import PageHinkley
from river.drift.binary import DDM


class ADWIN:
    """River's ADWIN forgets all of its window after a change; what is inside goes on with the newer part, as the paper has it."""

    def __init__(self):
        self.window = AdaptiveWindowing(delta=0.002, clock=32, max_buckets=5, min_window_length=5, grace_period=30)

    def update(self, x):
        self.drift_detected = self.window.update(x)


def found(detector, values):
    rows = []
    for i, x in enumerate(values):
        detector.update(x)
        if detector.drift_detected:
            rows.append(i)
    return rows


answers = {}
for name, values in json.load(sys.stdin).items():
    answers[name] = {
        "adwin": found(ADWIN(), values),
        "up": found(PageHinkley(alpha=1.0, mode="up"), values),
        "both": found(PageHinkley(alpha=1.0, mode="both"), values),
    }
    if all(v in (0, 1) for v in values):
        answers[name]["ddm"] = found(DDM(), values)
json.dump(answers, sys.stdout)
