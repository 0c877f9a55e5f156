"""What operators see: lines of the console log, and the program's own log."""
