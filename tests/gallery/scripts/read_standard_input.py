"""Fits a line to the pairs of numbers on standard input."""

import sys

import numpy as np
from sklearn.linear_model import LinearRegression

rows = [tuple(map(float, line.split())) for line in sys.stdin if line.strip()]
print(f"{len(rows)} rows")
if rows:
    table = np.array(rows)
    line = LinearRegression().fit(table[:, :1], table[:, 1])
    print(f"slope {line.coef_[0]:.6f} intercept {line.intercept_:.6f}")
