"""Gives the newest version an alias and a stage, as a colleague would."""
import warnings

from mlflow import MlflowClient

warnings.simplefilter("ignore")
client = MlflowClient()
client.set_registered_model_alias("Production_V1_Classifier", "champion", "1")
client.transition_model_version_stage("Production_V1_Classifier", "1", "Production")
