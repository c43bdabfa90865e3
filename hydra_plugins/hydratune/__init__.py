"""What Hydra accepts from this namespace only: the search path and the sweeper. Thin on purpose."""
