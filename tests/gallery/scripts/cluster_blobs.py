"""K-means and agglomerative clustering of blobs, compared by the adjusted Rand index."""

from sklearn.cluster import AgglomerativeClustering, KMeans
from sklearn.datasets import make_blobs
from sklearn.metrics import adjusted_rand_score, silhouette_score

points, truth = make_blobs(n_samples=400, centers=4, cluster_std=0.8, random_state=3)
for model in (KMeans(4, n_init=5, random_state=0), AgglomerativeClustering(4)):
    found = model.fit_predict(points)
    rand, shape = adjusted_rand_score(truth, found), silhouette_score(points, found)
    print(f"{type(model).__name__:24} rand {rand:.4f} silhouette {shape:.4f}")
