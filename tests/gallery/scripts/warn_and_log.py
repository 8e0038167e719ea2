"""A model that warns, a logger that writes to standard error, and lines that end without a line end."""

import logging
import sys
import warnings

from sklearn.datasets import load_diabetes
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPRegressor

logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")
logging.info("fitting")
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    model = MLPRegressor(hidden_layer_sizes=(8,), max_iter=5, random_state=0).fit(*load_diabetes(return_X_y=True))
kinds = [one.category is ConvergenceWarning for one in caught]
logging.warning("%d warnings, %d of convergence", len(kinds), sum(kinds))
sys.stdout.write(f"loss {model.loss_:.3f}")
