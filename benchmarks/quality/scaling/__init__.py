"""How training and answering grow with the catalogue: synthetic data of 10,000 to 100,000 products."""
