package gate

import (
	"maps"
	"strings"
)

// explainMeasure says in plain words what a measure is.
func explainMeasure(name string) string {
	if q, ok := strings.CutPrefix(name, "latency_"); ok {
		return map[string]string{
			"max": "the slowest answer", "mean": "mean time to an answer", "p50": "time in which half of the requests are answered",
			"p90": "time in which 90% of the requests are answered", "p95": "time in which 95% of the requests are answered",
			"p99": "time in which 99% of the requests are answered", "p999": "time in which 99.9% of the requests are answered",
		}[q]
	}
	words := map[string]string{}
	for _, more := range []map[string]string{explainTables(), explainClasses(), explainNumbers(), explainServing()} {
		maps.Copy(words, more)
	}
	return words[name]
}

func explainTables() map[string]string {
	return map[string]string{
		"rows": "number of rows", "columns": "number of columns", "freshness": "age of the newest row", "duplicates": "rows that stand there twice",
		"schema": "columns and their types", "null_rows": "rows with a missing value",
		"shared_rows": "rows that the training has as well", "shared_groups": "rows whose group the training has as well",
		"shared_days": "days that the training has as well", "time_overlap": "training that goes on after the first row here",
		"available_at": "columns known only after the prediction",
	}
}

func explainClasses() map[string]string {
	return map[string]string{
		"accuracy": "share of right decisions", "balanced_accuracy": "mean recall of the classes", "precision": "share of alarms that are right",
		"recall": "share of positives that are found", "f1": "harmonic mean of precision and recall",
		"specificity": "share of negatives that are left alone", "mcc": "correlation of decisions and labels",
		"roc_auc": "chance that a positive scores above a negative", "pr_auc": "average precision over all thresholds",
		"log_loss": "surprise at the labels, in nats", "brier": "mean squared error of the scores",
		"ece": "mean gap of score and frequency", "calibration": "largest gap of score and frequency",
		"reliability": "part of Brier from wrong scores", "resolution": "part of Brier that the scores explain",
		"uncertainty": "Brier of always the mean", "demographic_parity": "gap in the share predicted positive",
		"equalized_odds": "gap in true or false positive rates", "equal_opportunity": "gap in true positive rates",
		"predictive_parity": "gap in precision", "calibration_by_group": "gap in calibration",
	}
}

func explainNumbers() map[string]string {
	return map[string]string{
		"rmse": "root of the mean squared error", "mae": "mean absolute error", "median_ae": "median absolute error",
		"r2": "share of the variance that is explained", "mape": "mean absolute error by the label",
		"smape": "mean absolute error by the mean of both", "max_error": "largest error", "bias": "mean of predicted minus actual",
		"quantile_loss": "loss of a quantile", "mean": "mean of an expression", "ndcg": "gain of the first results by the best order",
		"map": "mean average precision of the first results", "mrr": "one by the place of the first right result",
		"precision_at_k": "share of the first results that are right", "recall_at_k": "share of right results among the first",
	}
}

func explainServing() map[string]string {
	return map[string]string{
		"changed": "share of decisions that change", "throughput": "predictions a second", "errors": "share of requests that fail",
		"cpu": "CPU time of 1000 predictions", "memory": "peak memory of the server", "gpu": "highest use of a GPU",
		"gpu_memory": "peak memory of the GPUs", "cost": "cost of 1000 predictions", "size": "bytes of the model", "scan": "code that would run on loading the model",
	}
}

// explainStat says in plain words what a statistic of a column is.
func explainStat(name string) string {
	if q, ok := strings.CutPrefix(name, "q0."); ok {
		return "quantile 0." + q
	}
	words := map[string]string{
		"std": "standard deviation", "var": "variance", "min": "smallest value", "max": "largest value", "skew": "skewness",
		"max_z": "most standard deviations from the mean", "nulls": "number of missing values", "null_share": "share of missing values",
		"nan_share": "share of NaN", "inf_share": "share of infinities", "zero_share": "share of zeros", "negative_share": "share of negatives",
		"min_length": "fewest characters", "max_length": "most characters", "mean_length": "mean number of characters",
		"distinct": "number of different values", "distinct_share": "different values by rows", "mode_share": "share of the most frequent value",
		"coverage": "share of the listed values that appear", "iqr": "range of the middle half", "freshness": "age of the newest value",
		"psi": "population stability index", "js": "Jensen-Shannon distance", "kl": "Kullback-Leibler divergence",
		"tvd": "total variation distance", "hellinger": "Hellinger distance", "chi2": "chi-squared", "chi2_p": "p-value of chi-squared",
		"ks": "Kolmogorov-Smirnov distance", "ks_p": "p-value of Kolmogorov-Smirnov", "wasserstein": "Wasserstein distance",
		"wasserstein_normed": "Wasserstein distance in standard deviations",
	}
	if w, ok := words[name]; ok {
		return w
	}
	return name
}
