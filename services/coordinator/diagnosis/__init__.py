"""What is wrong with the installation: facts are read, rules make findings of them."""
