"""The rules of every decision: numbers in, a verdict or a p value out."""
