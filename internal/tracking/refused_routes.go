package tracking

// refusedRoutes are calls that are refused with the reason. Everything else that is not served is answered as MLflow answers what it
// does not know, so that clients use their fall-backs.
func refusedRoutes() []route {
	catalog := func(*Server, *call) (any, error) {
		return nil, failf(EndpointNotFound, "Unity Catalog is not served here: its models live in Databricks. Names of three parts such as "+
			"catalog.schema.model are ordinary names here: call mlflow.set_registry_uri with the address of this endpoint, or leave it unset")
	}
	var all []route
	for _, method := range []string{"GET", "POST", "PATCH", "DELETE"} {
		all = append(all, route{method, "unity-catalog/{rest...}", catalog}, route{method, "/api/2.0/mlflow/uc-oss/{rest...}", catalog},
			route{method, "/api/2.1/unity-catalog/{rest...}", catalog})
	}
	return all
}
