"""Readers of the publishers' file formats, and the download of raw files."""
