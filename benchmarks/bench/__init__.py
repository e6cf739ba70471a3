"""What training costs on this machine: every claim is a ratio measured within one run."""
