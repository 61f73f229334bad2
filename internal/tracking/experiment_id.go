package tracking

// ExperimentID is the id of the experiment of a name, as long as nobody renamed it: runs that were recorded without an MLflow client
// belong to it as well.
func ExperimentID(name string) string { return experimentID(name) }
