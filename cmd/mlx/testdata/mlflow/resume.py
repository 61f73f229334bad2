"""Goes on with a run: MLFLOW_RUN_ID, or the id that it is given."""
import os
import sys

import mlflow

given = {"run_id": sys.argv[2]} if len(sys.argv) > 2 else {}
with mlflow.start_run(**given) as run:
    mlflow.log_metric("resumed", float(sys.argv[1]), step=int(sys.argv[1]))
    mlflow.log_param("p" + sys.argv[1], 1)
print(run.info.run_id)
