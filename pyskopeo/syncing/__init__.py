"""Many images from one place to another: what is asked for, what there is, what is missing, and the run."""
