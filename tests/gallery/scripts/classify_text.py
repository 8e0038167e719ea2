"""A bag of words and naive Bayes on a handful of sentences."""

from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.naive_bayes import MultinomialNB
from sklearn.pipeline import make_pipeline

SENTENCES = {
    "the engine of the train stopped": "travel",
    "our flight was late again": "travel",
    "we missed the last bus home": "travel",
    "the soup needs more salt": "food",
    "bake the bread for an hour": "food",
    "a spoon of sugar in the tea": "food",
}
model = make_pipeline(TfidfVectorizer(), MultinomialNB()).fit(list(SENTENCES), list(SENTENCES.values()))
for sentence in ("the bus was late", "bread and soup", "tea on the train"):
    print(f"{sentence:20} {model.predict([sentence])[0]:8} {model.predict_proba([sentence]).max():.4f}")
