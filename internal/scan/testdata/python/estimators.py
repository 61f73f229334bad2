"""Write a fitted model of every estimator class that can be fitted on a tiny set, as pickle and joblib in many forms.

usage: estimators.py DIR [xgboost lightgbm]
Prints one JSON line a file: {"file": name, "kind": class}.
"""
import bz2, gzip, io, json, lzma, os, pickle, sys, warnings

warnings.filterwarnings("ignore")
import numpy as np
import joblib
import sklearn
from sklearn.utils import all_estimators

out = sys.argv[1]
os.makedirs(out, exist_ok=True)
rng = np.random.RandomState(7)
X = np.abs(rng.normal(size=(40, 4)))
y = (X[:, 0] > 0.6).astype(int)
yr = X[:, 0] * 2 + 1
Y2 = np.stack([y, 1 - y], axis=1)


def write(name, model):
    done = []
    for protocol in range(6):
        path = f"{name}.p{protocol}.pkl"
        with open(os.path.join(out, path), "wb") as f:
            pickle.dump(model, f, protocol=protocol)
        done.append(path)
    for compress, ext in ((0, "joblib"), (("zlib", 3), "z"), (("gzip", 3), "gz"), (("bz2", 3), "bz2"), (("xz", 3), "xz"), (("lzma", 3), "lzma"), (("lz4", 3), "lz4")):
        path = f"{name}.{ext}"
        try:
            joblib.dump(model, os.path.join(out, path), compress=compress)
        except Exception as e:
            print(json.dumps({"skipped": path, "why": str(e)[:80]}), file=sys.stderr)
            continue
        done.append(path)
    for path in done:
        print(json.dumps({"file": path, "kind": type(model).__name__}))


def fit(cls):
    kwargs = {}
    from sklearn.linear_model import LogisticRegression, LinearRegression
    name = cls.__name__
    if name in ("VotingClassifier", "StackingClassifier"):
        kwargs = {"estimators": [("a", LogisticRegression()), ("b", LogisticRegression(C=2))]}
    elif name in ("VotingRegressor", "StackingRegressor"):
        kwargs = {"estimators": [("a", LinearRegression()), ("b", LinearRegression())]}
    elif name == "ColumnTransformer":
        from sklearn.preprocessing import StandardScaler
        kwargs = {"transformers": [("s", StandardScaler(), [0, 1])]}
    elif name == "FeatureUnion":
        from sklearn.decomposition import PCA
        kwargs = {"transformer_list": [("p", PCA(2))]}
    elif name == "Pipeline":
        from sklearn.preprocessing import StandardScaler
        kwargs = {"steps": [("s", StandardScaler()), ("m", LogisticRegression())]}
    elif name in ("GridSearchCV", "HalvingGridSearchCV"):
        kwargs = {"estimator": LogisticRegression(), "param_grid": {"C": [0.1, 1.0]}, "cv": 2}
    elif name in ("RandomizedSearchCV",):
        kwargs = {"estimator": LogisticRegression(), "param_distributions": {"C": [0.1, 1.0]}, "n_iter": 2, "cv": 2}
    else:
        import inspect
        sig = inspect.signature(cls.__init__).parameters
        if "estimator" in sig and sig["estimator"].default is inspect.Parameter.empty:
            kwargs["estimator"] = LogisticRegression()
        if "n_estimators" in sig:
            kwargs["n_estimators"] = 3
        if "max_iter" in sig and name.startswith("Hist"):
            kwargs["max_iter"] = 3
    model = cls(**kwargs)
    last = None
    for args in ((X, y), (X, yr), (X,), (X, Y2), (yr, yr), (y,), (yr[:, None] > 1, y), (["a b", "b c", "c d"],), ([{"a": 1}, {"b": 2}],), ([["a"], ["b", "c"]],), (X[:, :3], X[:, 1:])):
        try:
            return model.fit(*args)
        except Exception as e:
            last = e
    raise last


for name, cls in all_estimators():
    try:
        write("sklearn." + name, fit(cls))
    except Exception as e:
        print(json.dumps({"skipped": name, "why": str(e)[:80]}), file=sys.stderr)

if "xgboost" in sys.argv[2:]:
    import xgboost as xgb
    m = xgb.XGBClassifier(n_estimators=3, max_depth=2).fit(X, y)
    write("xgboost.XGBClassifier", m)
    write("xgboost.XGBRegressor", xgb.XGBRegressor(n_estimators=3, max_depth=2).fit(X, yr))
    b = m.get_booster()
    write("xgboost.Booster", b)
    for ext in ("json", "ubj"):
        m.save_model(os.path.join(out, "xgboost." + ext))
        print(json.dumps({"file": "xgboost." + ext, "kind": "xgboost"}))
if "lightgbm" in sys.argv[2:]:
    import lightgbm as lgb
    m = lgb.LGBMClassifier(n_estimators=3, num_leaves=4, min_child_samples=2, verbose=-1).fit(X, y)
    write("lightgbm.LGBMClassifier", m)
    write("lightgbm.Booster", m.booster_)
    m.booster_.save_model(os.path.join(out, "lightgbm.txt"))
    print(json.dumps({"file": "lightgbm.txt", "kind": "lightgbm"}))
