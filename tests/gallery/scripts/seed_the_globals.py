"""Trusts the global random states: whoever draws from them in between changes the figures."""

import random

import numpy as np
from sklearn.cluster import MiniBatchKMeans
from sklearn.datasets import make_moons
from sklearn.ensemble import BaggingClassifier
from sklearn.model_selection import cross_val_score

random.seed(11)
np.random.seed(11)
points, target = make_moons(300, noise=0.3)
print(f"bagging {cross_val_score(BaggingClassifier(n_estimators=15), points, target, cv=4).mean():.6f}")
print(f"k-means {MiniBatchKMeans(3, n_init=2).fit(points).inertia_:.6f}")
print("next", random.random(), np.random.random())
