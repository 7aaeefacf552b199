"""The command line, `python -m bridge`: try events on a function, make them, check a function before it is deployed."""
