"""usage: cbpe.py DIR: what NannyML estimates from the scores of DIR/reference.csv (score, label) and DIR/current.csv (score).

{"calibrated": bool, "accuracy": {"value", "lower", "se"}, "roc_auc": ...}: the estimate, the threshold, and its sampling error.
"""

import json
import logging
import os
import sys
import warnings

warnings.filterwarnings("ignore")
logging.disable(logging.CRITICAL)
os.environ["NML_DISABLE_USAGE_LOGGING"] = "1"

import nannyml
import pandas as pd

folder = sys.argv[1]
reference, current = (pd.read_csv(os.path.join(folder, name + ".csv")) for name in ("reference", "current"))
for table in (reference, current):
    table["predicted"] = (table["score"] >= 0.5).astype(int)
cbpe = nannyml.CBPE(y_pred_proba="score", y_pred="predicted", y_true="label", metrics=["accuracy", "roc_auc"], problem_type="classification_binary",
                    chunk_number=10)
cbpe.fit(reference)
cbpe.chunker = nannyml.chunk.CountBasedChunker(1)
estimates = cbpe.estimate(current).filter(period="analysis").to_df()
answers = {"calibrated": bool(cbpe.needs_calibration)}
for metric in ("accuracy", "roc_auc"):
    row = estimates[metric].iloc[0]
    answers[metric] = {"value": float(row["value"]), "lower": float(row["lower_threshold"]), "se": float(row["sampling_error"])}
json.dump(answers, sys.stdout)
