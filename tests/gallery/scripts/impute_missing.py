"""Three ways to fill in missing values."""

import numpy as np
from sklearn.datasets import load_diabetes
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.experimental import enable_iterative_imputer  # noqa: F401
from sklearn.impute import IterativeImputer, KNNImputer, SimpleImputer
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline

features, target = load_diabetes(return_X_y=True)
rng = np.random.default_rng(0)
features[rng.random(features.shape) < 0.2] = np.nan
for imputer in (SimpleImputer(), KNNImputer(), IterativeImputer(max_iter=4, random_state=0)):
    model = make_pipeline(imputer, HistGradientBoostingRegressor(max_iter=30, random_state=0))
    print(type(imputer).__name__, f"{cross_val_score(model, features, target, cv=3).mean():.6f}")
