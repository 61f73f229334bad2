"""Names its own server, as many scripts do."""
import mlflow

mlflow.set_tracking_uri("http://127.0.0.1:9")
mlflow.set_registry_uri("databricks-uc")
try:
    with mlflow.start_run(run_name="elsewhere"):
        mlflow.log_metric("m", 1)
        mlflow.MlflowClient(tracking_uri="http://127.0.0.1:10").search_registered_models()
except Exception as e:
    print("not reached:", type(e).__name__)
