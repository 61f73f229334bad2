"""Write small honest models of every library, as the library itself writes them.

usage: clean.py DIR LIBRARY…     a library is one of the functions below: numpy sklearn boosting skops keras safetensors onnx gguf torch
The files under testdata/clean were made by this script; torch by the python3-torch package of Debian 12 (1.13.1).
"""
import os, pickle, sys, warnings

warnings.filterwarnings("ignore")
os.environ.setdefault("KERAS_BACKEND", "numpy")
out = sys.argv[1]
os.makedirs(out, exist_ok=True)


def at(name):
    return os.path.join(out, name)


def data():
    import numpy as np
    rng = np.random.RandomState(7)
    X = rng.normal(size=(30, 3))
    return X, (X[:, 0] > 0).astype(int), X[:, 0] * 2 + 1


def numpy_():
    import numpy as np
    np.save(at("plain.npy"), np.arange(6.0).reshape(2, 3))
    np.save(at("objects.npy"), np.array([{"a": 1}, None, "x"], dtype=object))
    np.save(at("fields.npy"), np.zeros(2, dtype=[("a", "<f8"), ("b", "<i4", (2,)), ("c", "U3")]))
    np.savez(at("arrays.npz"), a=np.arange(3), b=np.array(["x", "y"]))
    np.savez_compressed(at("packed.npz"), a=np.arange(3), b=np.array([1, "x"], dtype=object))
    for p in (0, 2, 4, 5):
        pickle.dump({"a": np.arange(3.0), "s": np.float32(2), "r": np.random.RandomState(1), "g": np.random.default_rng(1), "m": np.ma.masked_array([1, 2], [0, 1])},
                    open(at(f"numpy.p{p}.pkl"), "wb"), protocol=p)


def sklearn():
    import joblib
    from sklearn.compose import ColumnTransformer
    from sklearn.ensemble import RandomForestClassifier, GradientBoostingRegressor, HistGradientBoostingClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GridSearchCV
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import FunctionTransformer, StandardScaler
    import numpy as np
    X, y, yr = data()
    pipe = make_pipeline(ColumnTransformer([("s", StandardScaler(), [0, 1]), ("l", FunctionTransformer(np.exp), [2])]), LogisticRegression()).fit(X, y)
    pickle.dump(pipe, open(at("pipeline.pkl"), "wb"))
    joblib.dump(pipe, at("pipeline.joblib"))
    pickle.dump(RandomForestClassifier(2, max_depth=2).fit(X, y), open(at("forest.pkl"), "wb"), protocol=2)
    for kind, ext in (("zlib", "z"), ("gzip", "gz"), ("bz2", "bz2"), ("xz", "xz"), ("lzma", "lzma"), ("lz4", "lz4")):
        joblib.dump(GradientBoostingRegressor(n_estimators=2, max_depth=2).fit(X, yr), at("boosted.joblib." + ext), compress=(kind, 3))
    joblib.dump({"search": GridSearchCV(LogisticRegression(), {"C": [1.0, 2.0]}, cv=2).fit(X, y), "o": np.array([1, "a"], dtype=object)}, at("search.joblib"))
    pickle.dump(HistGradientBoostingClassifier(max_iter=2, max_depth=2).fit(X, y), open(at("hist.pkl"), "wb"))
    try:
        import pandas as pd
        frame = pd.DataFrame(X, columns=list("abc"))
        pickle.dump({"m": LogisticRegression().fit(frame, y), "f": frame, "s": pd.Series([1, 2]), "c": pd.Categorical(["a", "b"])}, open(at("pandas.pkl"), "wb"))
    except ImportError:
        pass


def boosting():
    import joblib, xgboost as xgb, lightgbm as lgb
    X, y, _ = data()
    m = xgb.XGBClassifier(n_estimators=2, max_depth=2).fit(X, y)
    pickle.dump(m, open(at("xgboost.pkl"), "wb"))
    joblib.dump(m, at("xgboost.joblib"))
    m.save_model(at("xgboost.json"))
    m.save_model(at("xgboost.ubj"))
    m = lgb.LGBMClassifier(n_estimators=2, num_leaves=3, min_child_samples=2, verbose=-1).fit(X, y)
    pickle.dump(m, open(at("lightgbm.pkl"), "wb"))
    joblib.dump(m, at("lightgbm.joblib"))
    m.booster_.save_model(at("lightgbm.txt"))


def catboost():
    import catboost
    X, y, _ = data()
    m = catboost.CatBoostClassifier(iterations=2, depth=2, verbose=0, allow_writing_files=False).fit(X, y)
    m.save_model(at("catboost.cbm"))
    m.save_model(at("catboost.json"), format="json")
    pickle.dump(m, open(at("catboost.pkl"), "wb"))


def skops():
    import skops.io
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    X, y, _ = data()
    skops.io.dump(make_pipeline(StandardScaler(), LogisticRegression()).fit(X, y), at("pipeline.skops"))


def keras():
    import keras
    m = keras.Sequential([keras.layers.Input((3,)), keras.layers.Dense(2, activation="relu"), keras.layers.BatchNormalization(), keras.layers.Dense(1)])
    m.compile(optimizer="adam", loss="mse", metrics=["mae"])
    m.save(at("model.keras"))
    m.save_weights(at("model.weights.h5"))
    m.save(at("model.h5"))
    x = keras.Input((4,))
    keras.Model(x, keras.layers.Add()([keras.layers.Dense(2)(x), keras.layers.Dense(2, kernel_initializer="he_normal")(x)])).save(at("functional.keras"))


def safetensors():
    import numpy as np
    from safetensors.numpy import save_file
    save_file({"w": np.zeros((2, 3), np.float32), "b": np.zeros(3, np.float16)}, at("model.safetensors"), metadata={"format": "np"})


def onnx():
    import onnx
    from onnx import helper, TensorProto
    g = helper.make_graph([helper.make_node("Add", ["x", "w"], ["y"])], "g", [helper.make_tensor_value_info("x", TensorProto.FLOAT, [2])],
                          [helper.make_tensor_value_info("y", TensorProto.FLOAT, [2])], [helper.make_tensor("w", TensorProto.FLOAT, [2], [1, 2])])
    onnx.save(helper.make_model(g), at("model.onnx"))


def gguf():
    import gguf, numpy as np
    w = gguf.GGUFWriter(at("model.gguf"), "llama")
    w.add_block_count(1)
    w.add_token_list(["a", "b"])
    w.add_tensor("t", np.zeros(8, np.float32))
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()


def torch():
    import torch
    m = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.ReLU(), torch.nn.BatchNorm1d(2), torch.nn.Linear(2, 1))
    opt = torch.optim.Adam(m.parameters())
    m(torch.zeros(4, 3)).sum().backward()
    opt.step()
    torch.save(m.state_dict(), at("state.pt"))
    torch.save(m.state_dict(), at("legacy.pt"), _use_new_zipfile_serialization=False)
    torch.save(m, at("module.pt"))
    torch.save(m, at("module-legacy.pt"), _use_new_zipfile_serialization=False)
    torch.save({"model": m.state_dict(), "opt": opt.state_dict(), "epoch": 3, "half": torch.zeros(2).half(), "long": torch.arange(3), "size": torch.Size([1])}, at("checkpoint.pt"))
    torch.jit.script(m).save(at("script.pt"))
    pickle.dump(m, open(at("module.pkl"), "wb"))
    pickle.dump(m.state_dict(), open(at("state.pkl"), "wb"), protocol=4)


for library in sys.argv[2:]:
    {"numpy": numpy_, "sklearn": sklearn, "boosting": boosting, "catboost": catboost, "skops": skops, "keras": keras, "safetensors": safetensors, "onnx": onnx,
     "gguf": gguf, "torch": torch}[library]()
