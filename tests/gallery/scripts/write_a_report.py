"""Trains, keeps the model, loads it again, and writes a report."""

import json
from pathlib import Path

import joblib  # type: ignore[import-untyped]
from sklearn.datasets import load_wine
from sklearn.metrics import accuracy_score, log_loss
from sklearn.model_selection import train_test_split
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import RobustScaler

train, test, train_target, test_target = train_test_split(*load_wine(return_X_y=True), random_state=2)
joblib.dump(make_pipeline(RobustScaler(), KNeighborsClassifier()).fit(train, train_target), "model.joblib")
model = joblib.load("model.joblib")
metrics = {
    "accuracy": accuracy_score(test_target, model.predict(test)),
    "log_loss": log_loss(test_target, model.predict_proba(test)),
}
Path("reports").mkdir(exist_ok=True)
Path("reports/report.md").write_text("".join(f"- {key}: {value:.6f}\n" for key, value in metrics.items()))
Path("metrics.json").write_text(json.dumps(metrics, indent=1))
print("wrote", *sorted(str(path) for path in Path("reports").iterdir()))
