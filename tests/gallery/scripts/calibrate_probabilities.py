"""How honest are the probabilities of a random forest, before and after calibration?"""

from sklearn.calibration import CalibratedClassifierCV, calibration_curve
from sklearn.datasets import make_classification
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import brier_score_loss
from sklearn.model_selection import train_test_split

features, target = make_classification(2000, 20, n_informative=4, random_state=5)
train, test, train_target, test_target = train_test_split(features, target, random_state=5)
forest = RandomForestClassifier(40, random_state=5)
for name, model in {"plain": forest, "isotonic": CalibratedClassifierCV(forest, method="isotonic", cv=3)}.items():
    chance = model.fit(train, train_target).predict_proba(test)[:, 1]
    true, said = calibration_curve(test_target, chance, n_bins=5)
    print(name, f"brier {brier_score_loss(test_target, chance):.5f}")
    print("  ", [f"{one:.3f}/{two:.3f}" for one, two in zip(said, true, strict=True)])
