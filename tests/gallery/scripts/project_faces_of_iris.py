"""Principal components and a manifold of the iris flowers."""

import numpy as np
from sklearn.datasets import load_iris
from sklearn.decomposition import PCA
from sklearn.manifold import Isomap

iris = load_iris()
pca = PCA(2).fit(iris.data)
print("explained", np.round(pca.explained_variance_ratio_, 6))
flat = Isomap(n_neighbors=10, n_components=2).fit_transform(iris.data)
print("spread", np.round(np.abs(flat).max(axis=0), 3))
