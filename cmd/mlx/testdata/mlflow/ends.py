"""Starts a run and ends as it is told, without a word to MLflow."""
import os
import signal
import sys

import mlflow

how = sys.argv[1]
mlflow.set_experiment("ends")
mlflow.start_run(run_name=how)
mlflow.log_param("how", how)
if how == "exit3":
    sys.exit(3)
if how == "raise":
    raise ValueError("wrong")
if how == "kill":
    os.kill(os.getpid(), signal.SIGKILL)
if how == "failed":  # it says that it failed, and ends well
    mlflow.end_run("FAILED")
if how == "two":
    mlflow.end_run()
    with mlflow.start_run(run_name="second"):
        mlflow.log_param("how", "second")
if how == "nested":
    mlflow.start_run(run_name="inside", nested=True)
    os.kill(os.getpid(), signal.SIGKILL)
