"""The parts of README, REPRODUCE and docs/ that follow from results and configs."""
