"""Warns on standard error, then fits what cannot be fitted: the traceback goes through the library."""

import warnings

import numpy as np
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression

features, target = load_iris(return_X_y=True)
model = LogisticRegression(max_iter=2).fit(features, target)
print(f"accuracy {model.score(features, target):.4f}")
features[7, 2] = np.inf
warnings.warn("there is an infinite petal", stacklevel=1)
model.fit(features, target)
print("never printed")
