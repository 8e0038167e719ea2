"""Which features matter: univariate tests, recursive elimination and permutation."""

from sklearn.datasets import load_wine
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.feature_selection import RFE, SelectKBest, f_classif
from sklearn.inspection import permutation_importance

wine = load_wine()
names = wine.feature_names
best = SelectKBest(f_classif, k=4).fit(wine.data, wine.target)
print("tests      ", [names[i] for i in best.get_support(indices=True)])
forest = ExtraTreesClassifier(30, random_state=1)
print(
    "elimination", [names[i] for i in RFE(forest, n_features_to_select=4).fit(wine.data, wine.target).get_support(True)]
)
shuffled = permutation_importance(
    forest.fit(wine.data, wine.target), wine.data, wine.target, n_repeats=3, random_state=1
)
for i in shuffled.importances_mean.argsort()[::-1][:4]:
    print(f"{names[i]:30} {shuffled.importances_mean[i]:.4f}")
