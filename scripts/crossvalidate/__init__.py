"""The whole pipeline over several folds of a data set, with intervals over all its rows."""
