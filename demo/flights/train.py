"""Train the model on `data/clean/train.csv`."""

import tomllib
from pathlib import Path

import joblib
import pandas as pd
from sklearn.ensemble import HistGradientBoostingClassifier
from threadpoolctl import threadpool_limits

from features import TARGET, design


def main() -> None:
    params = tomllib.loads(Path("params.toml").read_text(encoding="utf-8"))["train"]
    table = pd.read_csv("data/clean/train.csv")
    model = HistGradientBoostingClassifier(categorical_features="from_dtype", early_stopping=False, **params)
    with threadpool_limits(1):  # the same bytes on every machine, and quick on a busy one
        model.fit(design(table), table[TARGET])
    joblib.dump(model, "model.joblib")
    print(f"trained on {len(table):,} flights: {model.n_iter_} trees")


if __name__ == "__main__":
    main()
