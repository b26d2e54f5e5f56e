"""What benchmarks/run is made of: a group of figures a file, and what they share."""
