"""Scores several models in processes of their own, by spawning and by forking where there is forking."""

import multiprocessing

from sklearn.datasets import load_iris
from sklearn.linear_model import Perceptron, SGDClassifier
from sklearn.model_selection import cross_val_score

MODELS = {"perceptron": Perceptron(random_state=0), "sgd": SGDClassifier(random_state=0)}


def score(name: str) -> tuple[str, float]:
    return name, float(cross_val_score(MODELS[name], *load_iris(return_X_y=True)).mean())


if __name__ == "__main__":
    for method in ("spawn", "fork"):
        if method in multiprocessing.get_all_start_methods():
            with multiprocessing.get_context(method).Pool(2) as pool:
                for name, value in sorted(pool.map(score, MODELS)):
                    print(f"{method:6} {name:12} {value:.6f}")
