"""Eight processes log 500 metrics each, while the server is killed and started again; then every metric is asked for."""
import multiprocessing
import os
import sys

os.environ["MLFLOW_HTTP_REQUEST_MAX_RETRIES"] = "7"
os.environ["MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR"] = "0.2"
import mlflow
from mlflow import MlflowClient


def work(run_id, n, bar):
    client = MlflowClient()
    for step in range(500):
        client.log_metric(run_id, f"m{n}", step, step=step)
        if step == 100:
            bar.wait()  # all eight are in the middle


client = MlflowClient()
experiment = client.create_experiment("hammer")
runs = [client.create_run(experiment, run_name=f"h{n}").info.run_id for n in range(8)]
fork = multiprocessing.get_context("fork")
bar = fork.Barrier(9)
every = [fork.Process(target=work, args=(r, n, bar)) for n, r in enumerate(runs)]
[p.start() for p in every]
bar.wait()
open(sys.argv[1], "w").close()  # whoever watches kills the server now
[p.join() for p in every]
assert [p.exitcode for p in every] == [0] * 8, [p.exitcode for p in every]
for n, r in enumerate(runs):
    points = client.get_metric_history(r, f"m{n}")
    assert [p.step for p in points] == list(range(500)), (n, len(points))
    client.set_terminated(r)
    assert client.get_run(r).data.metrics == {f"m{n}": 499}
print("none lost")
