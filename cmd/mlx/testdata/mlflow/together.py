"""Several processes of one program log: ranks, workers of joblib, and forks."""
import multiprocessing
import os
import subprocess
import sys

import mlflow


def worker(i):
    mlflow.log_metric(f"worker{i}", i)  # there is no run in this process: the client begins one
    return mlflow.active_run().info.run_id


def forked(i):
    mlflow.log_metric(f"fork{i}", i)


if __name__ == "__main__":
    how = sys.argv[1]
    mlflow.set_experiment("together")
    if how == "rank":
        with mlflow.start_run(run_name="ranks"):
            mlflow.log_metric("rank" + os.environ["RANK"], 1)
            mlflow.log_param("world", os.environ["WORLD_SIZE"])
    elif how == "ranks":
        every = [subprocess.Popen([sys.executable, __file__, "rank"], env={**os.environ, "RANK": str(i), "WORLD_SIZE": "2"}) for i in range(2)]
        assert [p.wait() for p in every] == [0, 0]
    elif how == "joblib":
        from joblib import Parallel, delayed

        with mlflow.start_run(run_name="joblib") as run:
            ids = Parallel(n_jobs=2)(delayed(worker)(i) for i in range(2))
            assert set(ids) == {run.info.run_id}, (ids, run.info.run_id)
            mlflow.log_metric("all", 1)
    elif how == "fork":
        with mlflow.start_run(run_name="fork"):
            mlflow.log_metric("before", 1)
            every = [multiprocessing.get_context("fork").Process(target=forked, args=(i,)) for i in range(2)]
            [p.start() for p in every]
            [p.join() for p in every]
            mlflow.log_metric("after", 1)
