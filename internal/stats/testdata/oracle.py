"""Answer each case of the JSON on stdin with what scikit-learn, scipy, statsmodels and fairlearn say: name -> number, null for NaN."""

import json
import math
import sys
import warnings

import numpy as np
from fairlearn import metrics as fair
from scipy import spatial, stats
from sklearn import metrics as sk
from statsmodels.stats import contingency_tables, multitest, proportion

warnings.simplefilter("ignore")


def attempt(answers, name, f):
    """Leaves out what the library refuses."""
    try:
        v = float(f())
    except (ValueError, ZeroDivisionError, IndexError):
        return
    answers[name] = v if math.isfinite(v) else None


def array(case, name, kind=float):
    v = case.get(name)
    return None if v is None else np.array(v, dtype=kind)


def ece_of(y, s, w, edges_of):
    total = 0.0
    for rows in edges_of:
        if w[rows].sum() > 0:
            total += w[rows].sum() * abs(np.average(y[rows], weights=w[rows]) - np.average(s[rows], weights=w[rows]))
    return total / w.sum()


def binary(c, a):
    y, s, w = array(c, "labels", int), array(c, "scores"), array(c, "weights")
    p = (s >= c["threshold"]).astype(int)
    nan = dict(zero_division=np.nan, sample_weight=w)
    attempt(a, "accuracy", lambda: sk.accuracy_score(y, p, sample_weight=w))
    attempt(a, "balanced_accuracy", lambda: sk.balanced_accuracy_score(y, p, sample_weight=w))
    attempt(a, "precision", lambda: sk.precision_score(y, p, **nan))
    attempt(a, "recall", lambda: sk.recall_score(y, p, **nan))
    attempt(a, "f1", lambda: sk.f1_score(y, p, **nan))
    attempt(a, "specificity", lambda: sk.recall_score(y, p, pos_label=0, **nan))
    if len(set(y)) == 2 and len(set(p)) == 2:  # it says 0 for what is not defined
        attempt(a, "mcc", lambda: sk.matthews_corrcoef(y, p, sample_weight=w))
    attempt(a, "roc_auc", lambda: sk.roc_auc_score(y, s, sample_weight=w))
    if y.any():  # it says 0 without positives
        attempt(a, "pr_auc", lambda: sk.average_precision_score(y, s, sample_weight=w))

        def trapezoid():
            precision, recall, _ = sk.precision_recall_curve(y, s, sample_weight=w)
            return sk.auc(recall, precision)

        attempt(a, "pr_auc_trapezoid", trapezoid)
    if c["probabilities"]:
        attempt(a, "log_loss", lambda: sk.log_loss(y, s, sample_weight=w, labels=[0, 1]))
        attempt(a, "brier", lambda: np.average((y - s) ** 2, weights=w))
        if len(set(y)) == 2:
            attempt(a, "brier_sklearn", lambda: sk.brier_score_loss(y, s, sample_weight=w))
        ones = np.ones(len(y)) if w is None else w
        edges = np.array([i / 15 for i in range(1, 15)])
        where = np.searchsorted(edges, s, side="left")
        attempt(a, "ece15", lambda: ece_of(y, s, ones, [where == i for i in range(15)]))
        order = np.argsort(s, kind="stable")
        attempt(a, "ece15_mass", lambda: ece_of(y, s, ones, [r for r in np.array_split(order, 15) if len(r)]))


def multi(c, a):
    y, k, w = array(c, "labels", int), c["classes"], array(c, "weights")
    s = array(c, "scores").reshape(-1, k)
    p = s.argmax(axis=1)
    attempt(a, "accuracy", lambda: sk.accuracy_score(y, p, sample_weight=w))
    attempt(a, "balanced_accuracy", lambda: sk.balanced_accuracy_score(y, p, sample_weight=w))
    if len(set(y)) > 1 and len(set(p)) > 1:
        attempt(a, "mcc", lambda: sk.matthews_corrcoef(y, p, sample_weight=w))
    for average in ("macro", "micro", "weighted"):
        for zero in (0.0, 1.0, math.nan):
            options = dict(average=average, zero_division=zero, sample_weight=w)
            attempt(a, f"precision {average} {zero:g}", lambda: sk.precision_score(y, p, **options))
            attempt(a, f"recall {average} {zero:g}", lambda: sk.recall_score(y, p, **options))
            attempt(a, f"f1 {average} {zero:g}", lambda: sk.f1_score(y, p, **options))
    labels = list(range(k))
    for average in ("macro", "weighted"):
        attempt(a, f"ovr {average}", lambda: sk.roc_auc_score(y, s, multi_class="ovr", average=average, sample_weight=w, labels=labels))
        if w is None:
            attempt(a, f"ovo {average}", lambda: sk.roc_auc_score(y, s, multi_class="ovo", average=average, labels=labels))
        if len(set(y)) == k:
            attempt(a, f"ap {average}", lambda: sk.average_precision_score(y, s, average=average, sample_weight=w))
    attempt(a, "log_loss", lambda: sk.log_loss(y, s, sample_weight=w, labels=labels))
    attempt(a, "brier", lambda: sk.brier_score_loss(y, s, sample_weight=w, labels=labels, scale_by_half=False))
    right, score = (p == y).astype(float), s.max(axis=1)
    ones = np.ones(len(y)) if w is None else w
    where = np.searchsorted(np.array([i / 15 for i in range(1, 15)]), score, side="left")
    attempt(a, "ece15_top", lambda: ece_of(right, score, ones, [where == i for i in range(15)]))


def regression(c, a):
    y, p, w, q = array(c, "actual"), array(c, "predicted"), array(c, "weights"), c["quantile"]
    for name, f in {
        "rmse": sk.root_mean_squared_error, "mae": sk.mean_absolute_error, "median_ae": sk.median_absolute_error,
        "mape": sk.mean_absolute_percentage_error,
    }.items():
        attempt(a, name, lambda: f(y, p, sample_weight=w))
    if len(set(y)) > 1:
        attempt(a, "r2", lambda: sk.r2_score(y, p, sample_weight=w))
    if len(y):
        attempt(a, "max_error", lambda: sk.max_error(y[slice(None) if w is None else w > 0], p[slice(None) if w is None else w > 0]))
        attempt(a, "bias", lambda: np.average(p - y, weights=w))
        below = np.abs(y) + np.abs(p)
        attempt(a, "smape", lambda: np.average(np.where(below == 0, 0, 2 * np.abs(p - y) / np.where(below == 0, 1, below)), weights=w))
    attempt(a, "quantile_loss", lambda: sk.mean_pinball_loss(y, p, alpha=q, sample_weight=w))


def ranking(c, a):
    rel, s, q = array(c, "relevance"), array(c, "scores"), array(c, "queries", int)
    for k in (1, 3, 10, None):
        lin, exp = [], []
        for query in sorted(set(q)):
            r, t = rel[q == query][None], s[q == query][None]
            if r.shape[1] < 2:  # ndcg_score refuses one row
                lin.append(float(r.sum() > 0)), exp.append(float(r.sum() > 0))
                continue
            lin.append(sk.ndcg_score(r, t, k=k)), exp.append(sk.ndcg_score(2**r - 1, t, k=k))
        attempt(a, f"ndcg {k or 0}", lambda: np.mean(lin))
        attempt(a, f"ndcg_exp {k or 0}", lambda: np.mean(exp))
    if not c["ties"]:
        attempt(a, "map 0", lambda: np.mean([
            sk.average_precision_score(rel[q == i] > 0, s[q == i]) if (rel[q == i] > 0).any() else 0 for i in sorted(set(q))]))


def fairness(c, a):
    y, p, g, w = array(c, "labels", int), array(c, "predicted", int), array(c, "groups", int), array(c, "weights")
    for name in ("demographic_parity_difference", "demographic_parity_ratio", "equalized_odds_difference", "equalized_odds_ratio",
                 "equal_opportunity_difference", "equal_opportunity_ratio"):
        attempt(a, name, lambda: getattr(fair, name)(y, p, sensitive_features=g, sample_weight=w))
    if w is None:
        frame = fair.MetricFrame(metrics=sk.precision_score, y_true=y, y_pred=p, sensitive_features=g)
        attempt(a, "predictive_parity_difference", frame.difference)
        attempt(a, "predictive_parity_ratio", frame.ratio)


def proportions(c, a):
    x, n, level = c["successes"], c["n"], c["level"]
    for name, method in {"wald": "normal", "wilson": "wilson", "clopper_pearson": "beta"}.items():
        low, high = proportion.proportion_confint(x, n, alpha=1 - level, method=method)
        attempt(a, name + ".lower", lambda: low)
        attempt(a, name + ".upper", lambda: high)


def mcnemar(c, a):
    both, only_a, only_b, neither = c["table"]
    table = [[both, only_a], [only_b, neither]]
    attempt(a, "exact", lambda: contingency_tables.mcnemar(table, exact=True).pvalue)
    for name, correction in {"chi2": False, "corrected": True}.items():
        if only_a + only_b:
            r = contingency_tables.mcnemar(table, exact=False, correction=correction)
            attempt(a, name, lambda: r.statistic)
            attempt(a, name + ".p", lambda: r.pvalue)


def placements(y, s):
    """V10 and V01 of DeLong, by the definition: O(n^2)."""
    gap = s[y == 1][:, None] - s[y == 0][None]
    psi = (gap > 0) + 0.5 * (gap == 0)
    return psi.mean(axis=1), psi.mean(axis=0)


def delong(c, a):
    y, x, z = array(c, "labels", int), array(c, "a"), array(c, "b")
    if y.sum() < 2 or (1 - y).sum() < 2:
        return
    va, vb = placements(y, x), placements(y, z)
    s10, s01 = np.cov(va[0], vb[0]), np.cov(va[1], vb[1])
    s = s10 / y.sum() + s01 / (1 - y).sum()
    attempt(a, "diff", lambda: va[0].mean() - vb[0].mean())
    attempt(a, "se", lambda: math.sqrt(max(s[0, 0] + s[1, 1] - 2 * s[0, 1], 0)))
    attempt(a, "se a", lambda: math.sqrt(s[0, 0]))
    # Obuchowski 1997: clusters sum their placements.
    g = array(c, "clusters", int)
    codes = sorted(set(g))
    d10, d01 = va[0] - vb[0], va[1] - vb[1]
    diff = d10.mean()
    sums = np.array([(d10[g[y == 1] == i] - diff).sum() / y.sum() + (d01[g[y == 0] == i] - diff).sum() / (1 - y).sum() for i in codes])
    attempt(a, "se clustered", lambda: math.sqrt((sums**2).sum() * len(codes) / (len(codes) - 1)))


def tango(c, a):
    """Bounds by a plain root search over the constrained likelihood."""
    from scipy import optimize

    both, b, cc, neither = c["table"]
    n = both + b + cc + neither

    def score(x):
        def loglik(p):  # share of only-b rows
            v = [(b, p + x), (cc, p), (n - b - cc, 1 - 2 * p - x)]
            return -sum(k * math.log(q) for k, q in v if k) if all(q > 0 for k, q in v if k) else math.inf

        low, high = max(0, -x), (1 - x) / 2
        p = optimize.minimize_scalar(loglik, bounds=(low, high), method="bounded", options={"xatol": 1e-14}).x
        return (b - cc - n * x) / math.sqrt(n * (2 * p + x * (1 - x)))

    z = stats.norm.ppf(0.95)
    d = (b - cc) / n
    attempt(a, "lower", lambda: optimize.brentq(lambda x: score(x) - z, -1 + 1e-9, d))
    attempt(a, "upper", lambda: optimize.brentq(lambda x: score(x) + z, d, 1 - 1e-9))


def corrections(c, a):
    p = array(c, "p")
    for name, method in {"bonferroni": "bonferroni", "holm": "holm", "bh": "fdr_bh"}.items():
        for i, v in enumerate(multitest.multipletests(p, method=method)[1]):
            attempt(a, f"{name} {i}", lambda: v)


def distances(c, a):
    x, z = array(c, "reference"), array(c, "current")
    p, q = x / x.sum(), z / z.sum()
    attempt(a, "js2", lambda: spatial.distance.jensenshannon(p, q, 2))
    attempt(a, "jse", lambda: spatial.distance.jensenshannon(p, q))
    fp, fq = np.maximum(p, 1e-4), np.maximum(q, 1e-4)
    attempt(a, "psi", lambda: ((fp - fq) * np.log(fp / fq)).sum())
    attempt(a, "kl", lambda: stats.entropy(fp, fq))
    attempt(a, "tvd", lambda: np.abs(p - q).sum() / 2)
    attempt(a, "linf", lambda: np.abs(p - q).max())
    attempt(a, "hellinger", lambda: math.sqrt(((np.sqrt(p) - np.sqrt(q)) ** 2).sum() / 2))
    seen = x + z > 0
    for name, yates in {"chi2": False, "chi2_yates": True}.items():
        r = stats.chi2_contingency([x[seen], z[seen]], correction=yates)
        attempt(a, name, lambda: r.statistic)
        attempt(a, name + ".p", lambda: r.pvalue)


def samples(c, a):
    x, z = array(c, "reference"), array(c, "current")
    if len(x) == 0 or len(z) == 0:
        return
    attempt(a, "wasserstein", lambda: stats.wasserstein_distance(x, z))
    attempt(a, "wasserstein.normed", lambda: stats.wasserstein_distance(x, z) / max(x.std(), 0.001))
    d = stats.ks_2samp(x, z, method="asymp").statistic
    en = len(x) * len(z) / (len(x) + len(z))
    attempt(a, "ks.d", lambda: d)
    attempt(a, "ks.limit", lambda: stats.kstwobign.sf(d * math.sqrt(en)))
    attempt(a, "ks.asymp", lambda: stats.ks_2samp(x, z, method="asymp").pvalue)
    if max(len(x), len(z)) <= 10000:
        attempt(a, "ks.exact", lambda: stats.ks_2samp(x, z, method="exact").pvalue)


def quantiles(c, a):
    for p in c["p"]:
        attempt(a, f"norm {p:g}", lambda: stats.norm.ppf(p))
        for df in (1, 2, 4, 9, 30, 1000):
            attempt(a, f"t {p:g} {df}", lambda: stats.t.ppf(p, df))


KINDS = {f.__name__: f for f in (binary, multi, regression, ranking, fairness, proportions, mcnemar, delong, tango, corrections, distances, samples, quantiles)}

answers = []
for case in json.load(sys.stdin):
    answers.append({})
    KINDS[case["kind"]](case, answers[-1])
json.dump(answers, sys.stdout)
