"""The figures of the report, drawn from records alone.

A file of this folder is a figure, or several of a kind, if it has `ORDER`, its place on the page,
and `figures(material)`, which yields them. Nothing else needs to be edited to add one.
"""
