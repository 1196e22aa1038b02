"""Do the default students hold on data of any size? ``python -m scripts.sizes`` puts them beside simple baselines."""
