"""MLflow: runs, registered models and their aliases; never on the way of a prediction."""
