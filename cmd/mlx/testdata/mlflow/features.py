"""Every call of runs and experiments, through the real client; each answer is judged."""
import os
import tempfile
import time

import mlflow
import pandas as pd
from mlflow import MlflowClient
from mlflow.entities import Metric, Param, RunTag, ViewType
from mlflow.exceptions import MlflowException

V3 = mlflow.__version__.startswith("3")
client = MlflowClient()


def refused(code, call, *args, **options):
    try:
        call(*args, **options)
    except MlflowException as e:
        assert e.error_code == code, (e.error_code, str(e))
        return str(e)
    raise AssertionError(f"{call} {args} was not refused")


def runs():
    mlflow.set_experiment("features")
    with mlflow.start_run(run_name="outer", description="what it is for", tags={"team": "a"}) as run:
        mlflow.log_param("lr", 0.1)
        mlflow.log_params({"depth": 3, "kind": "forest"})
        mlflow.log_param("lr", 0.1)
        text = refused("INVALID_PARAMETER_VALUE", mlflow.log_param, "lr", 0.2)
        assert "Changing param values is not allowed" in text and "'lr'" in text, text
        for step in range(5):
            mlflow.log_metric("loss", 1 / (step + 1), step=step)
        mlflow.log_metrics({"auc": 0.5, "nan": float("nan")}, step=3)
        mlflow.log_metric("auc", 0.9, step=2)  # not the latest step
        mlflow.set_tag("t1", "v1")
        mlflow.set_tags({"t2": "v2", "t3": "v3"})
        mlflow.delete_tag("t1")
        refused("RESOURCE_DOES_NOT_EXIST", mlflow.delete_tag, "t1")
        refused("INVALID_PARAMETER_VALUE", mlflow.log_metric, "bad?*name", 1)
        for i in range(2):
            with mlflow.start_run(run_name=f"inner{i}", nested=True):
                mlflow.log_param("i", i)
                mlflow.log_metric("score", i)
        mlflow.log_metrics({"async": 1}, synchronous=False)
        mlflow.log_param("later", "x", synchronous=False)
        mlflow.flush_async_logging()
    found = client.get_run(run.info.run_id)
    assert found.data.params == {"lr": "0.1", "depth": "3", "kind": "forest", "later": "x"}, found.data.params
    assert found.data.metrics["auc"] == 0.5 and found.data.metrics["loss"] == 0.2 and found.data.metrics["async"] == 1
    assert found.data.metrics["nan"] != found.data.metrics["nan"]
    assert found.data.tags["team"] == "a" and found.data.tags["t2"] == "v2" and "t1" not in found.data.tags
    assert found.data.tags["mlflow.note.content"] == "what it is for" and found.info.run_name == "outer"
    assert found.info.status == "FINISHED" and found.info.lifecycle_stage == "active"
    assert [m.value for m in client.get_metric_history(run.info.run_id, "loss")] == [1 / (s + 1) for s in range(5)]
    assert client.get_parent_run(mlflow.last_active_run().info.run_id) is None
    return found


def batches(run_id):
    now = int(time.time() * 1000)
    run = client.create_run(client.get_run(run_id).info.experiment_id, tags={"mlflow.runName": "batch"}, start_time=now)
    i = run.info.run_id
    client.log_batch(i, [Metric("m", s, now + s, s) for s in range(1000)])
    client.log_batch(i, [Metric("m", 7, now, 0)], [Param("p", "1"), Param("q", "2" * 600)], [RunTag("g", "h" * 5000)])
    refused("INVALID_PARAMETER_VALUE", client.log_batch, i, [], [Param("z", "1"), Param("z", "2")])
    refused("INVALID_PARAMETER_VALUE", client.log_param, i, "p", "other")
    client.log_param(i, "single", 5)
    client.log_metric(i, "single", 5.5, timestamp=now, step=1)
    client.set_tag(i, "single", "s")
    client.update_run(i, name="renamed")
    client.set_terminated(i, "KILLED", now + 1000)
    got = client.get_run(i)
    assert got.info.status == "KILLED" and got.info.end_time == now + 1000 and got.info.run_name == "renamed", got.info
    assert "z" not in got.data.params and len(got.data.params["q"]) == 600 and len(got.data.tags["g"]) == 5000
    points = client.get_metric_history(i, "m")
    assert len(points) == 1001 and got.data.metrics["m"] == 999, (len(points), got.data.metrics)
    client.delete_run(i)
    assert client.get_run(i).info.lifecycle_stage == "deleted"
    refused("INVALID_PARAMETER_VALUE", client.log_param, i, "no", "1")
    client.restore_run(i)
    assert client.get_run(i).info.lifecycle_stage == "active"
    refused("RESOURCE_DOES_NOT_EXIST", client.get_run, "0" * 32)
    return i


def searches(run_id):
    frame = mlflow.search_runs(experiment_names=["features"], order_by=["metrics.score DESC"])
    assert len(frame) == 4 and frame.iloc[0]["params.i"] == "1", frame
    frame = mlflow.search_runs(experiment_names=["features"], filter_string=f"tags.mlflow.parentRunId = '{run_id}' and metrics.score >= 1")
    assert list(frame["tags.mlflow.runName"]) == ["inner1"], frame
    e = client.get_run(run_id).info.experiment_id
    for query, count in {
        "params.kind = 'forest'": 1, "params.kind LIKE 'for%'": 1, "tags.team ILIKE 'A'": 1, "metrics.loss < 0.3": 1, "metrics.`loss` != 0.2": 0,
        "attributes.status = 'FINISHED'": 3, "run_name = 'renamed'": 1, f"attributes.run_id IN ('{run_id}')": 1, "params.i != '0'": 1,
        "attributes.start_time > 0": 4, "": 4,
    }.items():
        got = client.search_runs([e], query)
        assert len(got) == count, (query, [r.info.run_name for r in got])
    page = client.search_runs([e], max_results=3)
    assert len(page) == 3 and page.token and len(client.search_runs([e], max_results=3, page_token=page.token)) == 1
    refused("INVALID_PARAMETER_VALUE", client.search_runs, [e], "params.kind IN ('a', 'b') or x")
    refused("INVALID_PARAMETER_VALUE", client.search_runs, [e], "attributes.foo = 'x'")


def artifacts(run_id):
    import matplotlib

    matplotlib.use("agg")
    import matplotlib.pyplot as plt

    with mlflow.start_run(run_id=run_id):
        mlflow.log_text("hello", "a.txt")
        mlflow.log_dict({"k": [1, 2]}, "d.json")
        figure, axes = plt.subplots()
        axes.plot([1, 2])
        mlflow.log_figure(figure, "plots/f.png")
        mlflow.log_table({"q": ["a", "b"], "n": [1, 2]}, "tab.json")
        mlflow.log_table(pd.DataFrame({"q": ["c"], "n": [3]}), "tab.json")
        with tempfile.TemporaryDirectory() as d:
            os.makedirs(os.path.join(d, "deep", "er"))
            for name in ("x y.txt", "deep/ümläut.bin", "deep/er/z"):
                with open(os.path.join(d, name), "wb") as f:
                    f.write(os.urandom(100_000))
            with open(os.path.join(d, "deep", "er", "z"), "rb") as f:
                z = f.read()
            mlflow.log_artifacts(d, "folder")
            mlflow.log_artifact(os.path.join(d, "x y.txt"))
            assert open(mlflow.artifacts.download_artifacts(run_id=run_id, artifact_path="folder/deep/er/z"), "rb").read() == z
    names = {f.path: (f.is_dir, f.file_size) for f in client.list_artifacts(run_id)}
    assert names["a.txt"] == (False, 5) and names["folder"][0] and names["plots"][0] and "tab.json" in names, names
    assert {f.path for f in client.list_artifacts(run_id, "folder/deep")} == {"folder/deep/er", "folder/deep/ümläut.bin"}
    assert client.list_artifacts(run_id, "nowhere") == []
    assert mlflow.artifacts.load_text(f"runs:/{run_id}/a.txt") == "hello"
    assert mlflow.artifacts.load_dict(client.get_run(run_id).info.artifact_uri + "/d.json") == {"k": [1, 2]}
    table = mlflow.load_table("tab.json", run_ids=[run_id])
    assert list(table["n"]) == [1, 2, 3], table
    folder = client.download_artifacts(run_id, "folder")
    assert sorted(os.listdir(folder)) == ["deep", "x y.txt"], os.listdir(folder)
    from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

    get_artifact_repository(client.get_run(run_id).info.artifact_uri).delete_artifacts("x y.txt")
    assert "x y.txt" not in {f.path for f in client.list_artifacts(run_id)}


def experiments():
    e = client.create_experiment("other", tags={"a": "b"})
    refused("RESOURCE_ALREADY_EXISTS", client.create_experiment, "other")
    client.set_experiment_tag(e, "k", "v")
    got = client.get_experiment(e)
    assert got.tags["a"] == "b" and got.tags["k"] == "v" and got.name == "other" and got.lifecycle_stage == "active", got
    if V3:
        client.delete_experiment_tag(e, "k")
        assert "k" not in client.get_experiment(e).tags
    client.rename_experiment(e, "renamed")
    assert client.get_experiment_by_name("renamed").experiment_id == e and client.get_experiment_by_name("other") is None
    client.delete_experiment(e)
    assert client.get_experiment(e).lifecycle_stage == "deleted"
    assert "renamed" not in {x.name for x in client.search_experiments()}
    assert "renamed" in {x.name for x in client.search_experiments(view_type=ViewType.ALL)}
    client.restore_experiment(e)
    assert {x.name for x in client.search_experiments(filter_string="name LIKE 'rena%'")} == {"renamed"}
    assert client.get_experiment("0").name == "Default"
    refused("RESOURCE_DOES_NOT_EXIST", client.get_experiment, "9999999")


def data(run_id):
    import mlflow.data

    frame = pd.DataFrame({"x": [1.0, 2.0], "y": [0, 1]})
    with mlflow.start_run(run_id=run_id):
        mlflow.log_input(mlflow.data.from_pandas(frame, source="data/train.csv", name="flights", targets="y"), context="training")
    inputs = client.get_run(run_id).inputs.dataset_inputs
    assert [(i.dataset.name, i.tags[0].value) for i in inputs] == [("flights", "training")], inputs
    assert len(mlflow.search_runs(experiment_names=["features"], filter_string="datasets.name = 'flights'")) == 1


run = runs()
batch = batches(run.info.run_id)
searches(run.info.run_id)
artifacts(run.info.run_id)
experiments()
data(run.info.run_id)
mlflow.enable_system_metrics_logging()
mlflow.set_system_metrics_sampling_interval(1)
mlflow.set_system_metrics_samples_before_logging(1)
with mlflow.start_run(run_name="system") as s:
    time.sleep(2.5)
assert any(k.startswith("system/") for k in client.get_run(s.info.run_id).data.metrics), client.get_run(s.info.run_id).data.metrics
print("all", run.info.run_id)
