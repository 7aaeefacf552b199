"""SnapStart with a real machine: it is saved and restored, and its functions are invoked immediately."""
