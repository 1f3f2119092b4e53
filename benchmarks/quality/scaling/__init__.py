"""How training and answering grow with the catalogue: synthetic worlds of 10,000 to 100,000 products."""
