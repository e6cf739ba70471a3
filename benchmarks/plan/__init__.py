"""What is to be run: experiments, suites, checks, and what they cost."""
