"""The plan of a sync on a Dask scheduler."""
