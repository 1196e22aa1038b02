"""The parts of ``scripts/search.py``: a hyper-parameter search with Optuna, on the validation split alone."""
