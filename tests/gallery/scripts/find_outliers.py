"""Isolation forest and local outlier factor on the same points."""

import numpy as np
from sklearn.ensemble import IsolationForest
from sklearn.neighbors import LocalOutlierFactor

rng = np.random.default_rng(4)
points = np.vstack([rng.normal(size=(200, 2)), rng.uniform(-6, 6, size=(15, 2))])
for model in (IsolationForest(random_state=4), LocalOutlierFactor(20)):
    found = model.fit_predict(points)
    print(type(model).__name__, "outliers", int((found == -1).sum()), "of the planted", int((found[200:] == -1).sum()))
