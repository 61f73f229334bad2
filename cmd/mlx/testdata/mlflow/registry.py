"""Every call of models, versions, prompts and traces, through the real client; each answer is judged."""
import warnings

import mlflow
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from mlflow.pyfunc import PythonModel

warnings.simplefilter("ignore")
V3 = mlflow.__version__.startswith("3")
client = MlflowClient()


def refused(code, call, *args, **options):
    try:
        call(*args, **options)
    except MlflowException as e:
        assert e.error_code == code, (e.error_code, str(e))
        return str(e)
    raise AssertionError(f"{call} {args} was not refused")


class Plus(PythonModel):
    def __init__(self, n):
        self.n = n

    def predict(self, context, model_input, params=None):
        return [x + self.n for x in model_input]


def log(n, **options):
    return mlflow.pyfunc.log_model("plus", python_model=Plus(n), pip_requirements=["mlflow"], **options)


def versions():
    with mlflow.start_run(run_name="models") as run:
        mlflow.log_metric("before", 1)
        info = log(1)
        log(2, registered_model_name="plus")
    for uri in {info.model_uri, f"runs:/{run.info.run_id}/plus"}:
        assert mlflow.pyfunc.load_model(uri).predict([1]) == [2 if uri == info.model_uri and V3 else 3], uri
    first = client.get_model_version("plus", "1")
    assert first.run_id == run.info.run_id and first.status == "READY" and first.current_stage == "None", first
    second = mlflow.register_model(info.model_uri, "plus", tags={"a": "b"})
    assert str(second.version) == "2" and client.get_model_version("plus", 2).tags == {"a": "b"}
    if V3:
        assert mlflow.pyfunc.load_model("models:/plus/2").predict([1]) == [2]
    refused("RESOURCE_ALREADY_EXISTS", client.create_registered_model, "plus")
    refused("RESOURCE_DOES_NOT_EXIST", client.get_registered_model, "nope")
    refused("RESOURCE_DOES_NOT_EXIST", client.get_model_version, "plus", 99)
    client.update_registered_model("plus", "adds")
    client.set_registered_model_tag("plus", "k", "v")
    client.update_model_version("plus", 1, "the first")
    client.set_model_version_tag("plus", 1, "k", "v")
    client.set_registered_model_alias("plus", "champion", 1)
    client.transition_model_version_stage("plus", 1, "Staging")
    client.transition_model_version_stage("plus", 2, "Staging", archive_existing_versions=True)
    got = client.get_registered_model("plus")
    assert got.description == "adds" and got.tags["k"] == "v" and {k: str(v) for k, v in got.aliases.items()} == {"champion": "1"}, got
    one = client.get_model_version_by_alias("plus", "champion")
    assert str(one.version) == "1" and one.description == "the first" and one.tags["k"] == "v" and one.current_stage == "Archived", one
    refused("INVALID_PARAMETER_VALUE", client.get_model_version_by_alias, "plus", "nobody")
    assert [str(v.version) for v in client.get_latest_versions("plus", ["Staging"])] == ["2"]
    for uri, right in {"models:/plus/1": 3, "models:/plus@champion": 3, "models:/plus/Staging": 2 if V3 else 3, "models:/plus/latest": 2 if V3 else 3}.items():
        assert mlflow.pyfunc.load_model(uri).predict([1]) == [right], uri
    assert client.get_model_version_download_uri("plus", 1)
    assert {str(v.version) for v in client.search_model_versions("name = 'plus'")} == {"1", "2"}
    assert {str(v.version) for v in client.search_model_versions(f"run_id = '{run.info.run_id}'")} == {"1", "2"}
    assert [m.name for m in client.search_registered_models("name LIKE 'pl%'")] == ["plus"]
    assert client.copy_model_version("models:/plus/1", "copy").version
    client.delete_model_version_tag("plus", 1, "k")
    client.delete_registered_model_tag("plus", "k")
    client.delete_registered_model_alias("plus", "champion")
    client.delete_model_version("copy", 1)
    client.delete_registered_model("copy")
    client.rename_registered_model("plus", "plus2")
    assert {str(v.version) for v in client.search_model_versions("name = 'plus2'")} == {"1", "2"}
    refused("RESOURCE_DOES_NOT_EXIST", client.get_registered_model, "plus")
    refused("INVALID_PARAMETER_VALUE", client.create_model_version, "plus2", "file:///etc/passwd", run.info.run_id)
    refused("INVALID_PARAMETER_VALUE", client.create_model_version, "plus2", f"runs:/{run.info.run_id}/../../etc", run.info.run_id)


def logged():
    with mlflow.start_run(run_name="logged") as run:
        model = mlflow.create_external_model(name="outside", params={"a": "1"}, tags={"t": "1"})
        mlflow.log_metric("acc", 0.5, model_id=model.model_id)
    model_id = model.model_id
    client.set_logged_model_tags(model_id, {"x": "y"})
    client.delete_logged_model_tag(model_id, "t")
    client.log_model_params(model_id, {"z": "1"})
    got = client.get_logged_model(model_id)
    assert got.params == {"a": "1", "z": "1"} and got.tags["x"] == "y" and "t" not in got.tags and got.source_run_id == run.info.run_id, got
    assert [m.value for m in got.metrics] == [0.5], got.metrics
    found = mlflow.search_logged_models([run.info.experiment_id], filter_string="name = 'outside'", output_format="list")
    assert [m.model_id for m in found] == [model_id]
    client.delete_logged_model(model_id)
    assert not mlflow.search_logged_models([run.info.experiment_id], filter_string="name = 'outside'", output_format="list")
    pending = client.create_logged_model(run.info.experiment_id, name="broken", source_run_id=run.info.run_id)
    from mlflow.entities import LoggedModelStatus

    assert client.finalize_logged_model(pending.model_id, LoggedModelStatus.FAILED).status == LoggedModelStatus.FAILED


def prompts():
    api = mlflow.genai if V3 else mlflow
    api.register_prompt("greet", "Hi {{name}}", commit_message="c", tags={"a": "b"})
    api.register_prompt("greet", "Hey {{name}}")
    api.set_prompt_alias("greet", alias="prod", version=1)
    assert api.load_prompt("prompts:/greet@prod").format(name="Ana") == "Hi Ana"
    assert api.load_prompt("prompts:/greet/2").format(name="Ana") == "Hey Ana"
    if V3:
        assert [p.name for p in api.search_prompts()] == ["greet"]
    assert "greet" not in {m.name for m in client.search_registered_models()}


def traces():
    @mlflow.trace
    def add(x):
        return x + 1

    with mlflow.start_run():
        assert add(2) == 3
    if V3:
        mlflow.flush_trace_async_logging()
        found = mlflow.search_traces(return_type="list")
        assert len(found) == 1 and found[0].data.spans[0].outputs == 3, found
        t = found[0].info.trace_id
        client.set_trace_tag(t, "k", "v")
        assert mlflow.get_trace(t).info.tags["k"] == "v"
        mlflow.log_feedback(trace_id=t, name="good", value=True)
        client.delete_trace_tag(t, "k")
        assert client.delete_traces(found[0].info.experiment_id, trace_ids=[t]) == 1


mlflow.set_experiment("registry")
versions()
if V3:
    logged()
prompts()
traces()
print("all")
