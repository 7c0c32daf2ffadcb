"""What a stored embedding says: clusters, populations, structure, maps. Nothing here needs torch."""
