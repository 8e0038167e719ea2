"""Reads a CSV with pandas, encodes its categories, and fits boosted trees."""

from pathlib import Path

import pandas as pd
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OrdinalEncoder

source = Path("table.csv")
if not source.exists():
    kinds = ("red", "green", "blue")
    rows = [f"{i},{kinds[i % 3]},{i * 7 % 11},{int(i % 3 == 0 or i * 7 % 11 > 8)}" for i in range(300)]
    source.write_text("id,colour,size,label\n" + "\n".join(rows) + "\n")
table = pd.read_csv(source)
encode = make_column_transformer((OrdinalEncoder(), ["colour"]), remainder="passthrough")
model = make_pipeline(encode, HistGradientBoostingClassifier(max_iter=20, random_state=0))
model.fit(table[["colour", "size"]], table["label"])
print(table.groupby("colour")["label"].mean().round(4).to_dict())
print(f"accuracy {model.score(table[['colour', 'size']], table['label']):.4f}")
