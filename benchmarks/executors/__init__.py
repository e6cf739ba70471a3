"""Ways to run a list of experiments: in this process, in a pool, on Slurm."""
