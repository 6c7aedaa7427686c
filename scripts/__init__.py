"""Start, test and check the project; standard library first, because some of it runs before anything is installed."""
