"""Makes a store with the real MLflow client: python mlflow_make.py DIR sqlite|file"""
import json, math, os, sys, time
import mlflow
from mlflow import MlflowClient
from mlflow.entities import Metric, Param, RunTag, ViewType
from mlflow.data.meta_dataset import MetaDataset
from mlflow.data.http_dataset_source import HTTPDatasetSource

where, kind = os.path.abspath(sys.argv[1]), sys.argv[2]
os.makedirs(where, exist_ok=True)
os.chdir(where)
if kind == "sqlite":
    mlflow.set_tracking_uri("sqlite:///mlflow.db")
else:
    mlflow.set_tracking_uri("./mlruns")
three = int(mlflow.__version__.split(".")[0]) >= 3
mlflow.set_experiment("flights")
with mlflow.start_run(run_name="forest", tags={"team": "delays", "mlflow.note.content": "the first"}) as parent:
    mlflow.log_params({"depth": 6, "lr": 0.1, "rate": 1.0, "eps": 1e-5, "flag": True, "none": None, "words": "a\nb: ü", "nested/name": "x"})
    for step in range(4):
        mlflow.log_metric("loss", 1 / (step + 1), step=step)
    mlflow.log_metric("acc", 0.9)
    mlflow.log_metric("val/auc", 0.741, step=3)
    mlflow.log_metric("odd", float("nan"), step=1)
    mlflow.log_metric("odd", float("inf"), step=2)
    mlflow.log_metric("neg", float("-inf"))
    mlflow.log_metric("back", 5.0, step=9)
    mlflow.log_metric("back", 6.0, step=2)
    mlflow.log_text("hello", "notes/hello.txt")
    mlflow.log_dict({"a": 1}, "config.json")
    mlflow.log_input(MetaDataset(HTTPDatasetSource("https://example.com/flights.csv"), name="flights", digest="abc123"), context="training")
    with mlflow.start_run(run_name="fold 1", nested=True):
        mlflow.log_metric("loss", 0.5)
        with mlflow.start_run(run_name="inner", nested=True):
            mlflow.log_param("k", "v")
try:
    with mlflow.start_run(run_name="fails"):
        mlflow.log_metric("loss", 9)
        raise RuntimeError("no")
except RuntimeError:
    pass
client = MlflowClient()
exp = client.get_experiment_by_name("flights").experiment_id
client.set_experiment_tag(exp, "owner", "ana")
killed = client.create_run(exp, run_name="killed")
client.set_terminated(killed.info.run_id, "KILLED")
client.create_run(exp, run_name="hangs")
gone = client.create_run(exp, run_name="binned")
client.log_metric(gone.info.run_id, "loss", 3)
client.set_terminated(gone.info.run_id)
client.delete_run(gone.info.run_id)
old = client.create_experiment("abandoned")
run = client.create_run(old, run_name="in a deleted experiment")
client.set_terminated(run.info.run_id)
client.delete_experiment(old)


class Model(mlflow.pyfunc.PythonModel):
    def predict(self, context, model_input, params=None):
        return model_input


if os.environ.get("LIGHT") != "1":
    with mlflow.start_run(run_name="logs a model"):
        name = {"name": "model"} if three else {"artifact_path": "model"}
        mlflow.log_metric("acc", 0.95)
        mlflow.pyfunc.log_model(python_model=Model(), registered_model_name="delays", pip_requirements=["mlflow"], **name)
    with mlflow.start_run(run_name="logs another"):
        mlflow.pyfunc.log_model(python_model=Model(), registered_model_name="delays", pip_requirements=["mlflow"], **name)
    client.update_registered_model("delays", "predicts delays")
    client.set_registered_model_tag("delays", "owner", "ben")
    client.set_model_version_tag("delays", "1", "checked", "yes")
    client.update_model_version("delays", "1", "the first version")
    client.set_registered_model_alias("delays", "champion", "1")
    client.transition_model_version_stage("delays", "1", "Production")
    client.transition_model_version_stage("delays", "2", "Staging")
    client.create_registered_model("empty", description="nothing in it")

out = {"runs": {}, "experiments": {}, "models": {}}
for e in client.search_experiments(view_type=ViewType.ALL):
    out["experiments"][e.name] = {"tags": dict(e.tags), "stage": e.lifecycle_stage, "id": e.experiment_id}
    for r in client.search_runs([e.experiment_id], run_view_type=ViewType.ALL):
        i = r.info
        files = {}
        def walk(path):
            for f in client.list_artifacts(i.run_id, path):
                if f.is_dir:
                    walk(f.path)
                else:
                    files[f.path] = f.file_size
        if i.lifecycle_stage == "active":
            walk("")
        out["runs"][i.run_id] = {
            "name": i.run_name, "experiment": e.name, "status": i.status, "stage": i.lifecycle_stage, "user": i.user_id, "start": i.start_time, "end": i.end_time,
            "params": dict(r.data.params), "tags": dict(r.data.tags), "latest": {k: repr(v) for k, v in r.data.metrics.items()}, "artifacts": files,
            "metrics": {k: [[m.step, m.timestamp, repr(m.value)] for m in client.get_metric_history(i.run_id, k)] for k in r.data.metrics} if i.lifecycle_stage == "active" else {},
            "datasets": [{"name": d.dataset.name, "digest": d.dataset.digest, "source_type": d.dataset.source_type, "tags": {t.key: t.value for t in d.tags}} for d in r.inputs.dataset_inputs],
        }
for m in client.search_registered_models():
    out["models"][m.name] = {"description": m.description, "tags": dict(m.tags), "aliases": {k: str(v) for k, v in client.get_registered_model(m.name).aliases.items()}, "versions": {
        v.version: {"stage": v.current_stage, "description": v.description, "tags": dict(client.get_model_version(m.name, v.version).tags), "run_id": v.run_id, "source": v.source} for v in client.search_model_versions(f"name='{m.name}'")}}
with open("expected.json", "w") as f:
    json.dump(out, f, indent=1, sort_keys=True)
