"""Judge the model on flights of later months that it never saw."""

import json
from pathlib import Path

import joblib
import pandas as pd
from sklearn.metrics import accuracy_score, brier_score_loss, log_loss, roc_auc_score

from features import TARGET, design

KEY = ["month", "day", "sched_dep_time", "carrier", "flight"]


def main() -> None:
    table = pd.read_csv("data/clean/test.csv")
    late, chance = table[TARGET], joblib.load("model.joblib").predict_proba(design(table))[:, 1]
    metrics = {
        "auc": float(roc_auc_score(late, chance)),
        "log_loss": float(log_loss(late, chance)),
        "brier": float(brier_score_loss(late, chance)),
        "accuracy": float(accuracy_score(late, chance > 0.5)),
    }
    Path("metrics.json").write_text(json.dumps(metrics, indent=2) + "\n", encoding="utf-8")
    predictions = table[[*KEY, TARGET]].assign(chance=chance.round(6))
    predictions.to_csv("predictions.csv", index=False, lineterminator="\n")
    print(f"AUC {metrics['auc']:.4f}, log loss {metrics['log_loss']:.4f} on {len(table):,} flights")
    print(f"accuracy {metrics['accuracy']:.1%}; always saying `on time`: {1 - late.mean():.1%}")


if __name__ == "__main__":
    main()
