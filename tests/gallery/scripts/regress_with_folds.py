"""Cross-validated ridge regression on the diabetes data."""

import numpy as np
from sklearn.datasets import load_diabetes
from sklearn.linear_model import RidgeCV
from sklearn.model_selection import KFold, cross_val_score

features, target = load_diabetes(return_X_y=True)
scores = cross_val_score(
    RidgeCV(alphas=np.logspace(-3, 2, 20)), features, target, cv=KFold(5, shuffle=True, random_state=0), scoring="r2"
)
for fold, score in enumerate(scores):
    print(f"fold {fold}: {score:.6f}")
print(f"mean {scores.mean():.6f} +/- {scores.std():.6f}")
