"""The YAML files of the suite, and how they are read and checked."""
