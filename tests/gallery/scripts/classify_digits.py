"""Recognise hand-written digits with a support vector machine."""

from sklearn import datasets, metrics, svm
from sklearn.model_selection import train_test_split

digits = datasets.load_digits()
data = digits.images.reshape((len(digits.images), -1))
train, test, train_labels, test_labels = train_test_split(data, digits.target, test_size=0.5, shuffle=False)
classifier = svm.SVC(gamma=0.001).fit(train, train_labels)
predicted = classifier.predict(test)
print(metrics.classification_report(test_labels, predicted))
print(metrics.confusion_matrix(test_labels, predicted))
