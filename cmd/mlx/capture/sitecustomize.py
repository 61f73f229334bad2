"""Keeps what a program tracks with MLflow at the endpoint of mlx, whatever URI the program asks for.

mlx run --capture-uri puts the folder of this file first on PYTHONPATH, so that every Python that the command starts imports it. Each
wish to go elsewhere is written to the folder of the run, one JSON object a line. A program that runs with -I, -E or -S does without.
"""

import importlib.machinery
import importlib.util
import json
import os
import re
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
URL = os.environ.get("MLX_CAPTURE_URI", "")
TOKEN = os.environ.get("MLX_CAPTURE_TOKEN", "")


def ours(uri):
    return uri is None or str(uri).rstrip("/") in ("", URL)


def tell(call, uri):
    """Writes down who asked for what. Nothing that goes wrong here may hurt the program."""
    try:
        frame = sys._getframe(1)
        inside = os.sep + "mlflow" + os.sep, os.sep + "dagshub" + os.sep
        while frame and (frame.f_code.co_filename == __file__ or any(p in frame.f_code.co_filename for p in inside)):
            frame = frame.f_back
        said = {
            "call": call,
            "uri": re.sub(r"://[^/@]*@", "://", str(uri))[:2000],
            "file": os.path.abspath(frame.f_code.co_filename) if frame else "",
            "line": frame.f_lineno if frame else 0,
        }
        folder = os.path.dirname(os.environ["MLX_METRICS"])
        with open(os.path.join(folder, "captured.jsonl"), "a", encoding="utf-8") as f:
            f.write(json.dumps(said) + "\n")
    except Exception:
        pass


def setter(set_uri, call):
    """Sets the endpoint, whatever URI is asked for."""

    def set_ours(uri):
        if not ours(uri):
            tell(call, uri)
        set_uri(URL)

    return set_ours


def keep_tracking(module):
    def get_tracking_uri():
        if not ours(os.environ.get("MLFLOW_TRACKING_URI")):
            tell("MLFLOW_TRACKING_URI", os.environ["MLFLOW_TRACKING_URI"])
            os.environ["MLFLOW_TRACKING_URI"] = URL
        return URL

    def resolve(tracking_uri=None):
        if not ours(tracking_uri):
            tell("tracking_uri=", tracking_uri)
        return get_tracking_uri()

    module.set_tracking_uri = setter(module.set_tracking_uri, "mlflow.set_tracking_uri")
    module.get_tracking_uri = get_tracking_uri
    module._resolve_tracking_uri = resolve


def keep_registry(module):
    def resolve(registry_uri=None, tracking_uri=None):
        if not ours(registry_uri):
            tell("registry_uri=", registry_uri)
        return URL

    module.set_registry_uri = setter(module.set_registry_uri, "mlflow.set_registry_uri")
    module.get_registry_uri = lambda: URL
    module._resolve_registry_uri = resolve


def keep_credentials(module):
    creds = module.get_default_host_creds

    def get_default_host_creds(store_uri):
        if TOKEN and store_uri and ours(store_uri):
            return module.MlflowHostCreds(host=store_uri, token=TOKEN)
        return creds(store_uri)

    module.get_default_host_creds = get_default_host_creds


def keep_dagshub(module):
    real = module.init

    def init(repo_name=None, repo_owner=None, url=None, *args, **options):
        tell("dagshub.init", url or "dagshub.com/%s/%s" % (repo_owner, repo_name))
        if options.get("dvc") or any(args[3:4]):
            options["mlflow"] = False
            return real(repo_name, repo_owner, url, *args[:2], **options)
        return None

    module.init = init


KEEPERS = {
    "mlflow.tracking._tracking_service.utils": keep_tracking,
    "mlflow.tracking._model_registry.utils": keep_registry,
    "mlflow.utils.credentials": keep_credentials,
    "dagshub.common.init": keep_dagshub,
}


class Finder:
    """Lets a module be changed right after it was executed, before anybody takes a name out of it."""

    @staticmethod
    def find_spec(name, path=None, target=None):
        keep = KEEPERS.get(name)
        if keep is None:
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path, target)
        if spec is None or spec.loader is None:
            return spec
        run = spec.loader.exec_module

        def exec_module(module):
            run(module)
            try:
                keep(module)
            except Exception as e:
                sys.stderr.write("mlx: cannot keep %s at the run: %r\n" % (name, e))

        spec.loader.exec_module = exec_module
        return spec


def chain():
    """Runs the sitecustomize that this one stands before."""
    others = [p for p in sys.path if os.path.abspath(p or os.getcwd()) != HERE]
    spec = importlib.machinery.PathFinder.find_spec("sitecustomize", others)
    if spec is not None and spec.loader is not None:
        module = importlib.util.module_from_spec(spec)
        sys.modules["sitecustomize"] = module
        spec.loader.exec_module(module)


if URL:
    sys.meta_path.insert(0, Finder)
chain()
