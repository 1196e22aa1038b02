"""The parts of ``scripts/search``: a hyper-parameter search with Optuna, on the validation split alone."""
