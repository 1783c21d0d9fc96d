"""Foreign runtimes, one module each, that prove the files made for them."""
